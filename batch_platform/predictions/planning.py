"""Planning partitions: which version serves each, what it reads, what it may take over, and its shards.

Belongs here: everything that is decided before a row is read. Does not belong here: scoring (`scorer.py`), and which
shards are there already (`receipt_book.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from batch_platform.errors import ContractError
from batch_platform.lake.digest import combine
from batch_platform.lake.log import Recorded, live_rows, newest_records
from batch_platform.lake.table import Table
from batch_platform.models.registry import Registry
from batch_platform.models.runtimes.loading import ModelSource
from batch_platform.models.versions import Version, Versions
from batch_platform.predictions.code import model_code, scoring_code
from batch_platform.predictions.definition import Predictions
from batch_platform.predictions.earlier import Earlier
from batch_platform.predictions.reader import feature_file
from batch_platform.predictions.scorer import Serving
from batch_platform.predictions.shards import Shard, cut
from batch_platform.settings import Settings


@dataclass(frozen=True)
class Task:
    """One partition, planned.

    Args:
        version: what scores it.
        features: the record of the feature partition.
        serving: what its shards need to know.
        shards: its shards, in the order of the rows.
        code: a digest of the code, the settings and the columns that decide about scores.
    """

    version: Version
    features: Recorded
    serving: Serving
    shards: Sequence[Shard]
    code: str


@dataclass(frozen=True)
class _Opened:
    """A table as it was found: the records of the wanted partitions, and path and rows of their files."""

    records: Mapping[str, Recorded] = field(default_factory=dict)
    files: Mapping[str, Sequence[tuple[str, int]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Planner:
    """Plans the partitions of one run; tables and registry are looked at once, whatever their number.

    Args:
        predictions: the table.
        settings: where things lie.
        registry: the model registry.
        keys: the partitions of the run.
        replay: whether rows that have a score keep it, so that only those are scored that have none.
    """

    predictions: Predictions
    settings: Settings
    registry: Registry
    keys: Sequence[str]
    replay: bool = False
    _sources: dict[str, ModelSource] = field(default_factory=dict)

    def task(self, key: str) -> Task:
        """One partition's task.

        Raises:
            BatchPlatformError: the key, its features, its version or the version's files are not to be had.
        """
        predictions = self.predictions
        predictions.calendar.window(key)
        version = serving_version(predictions, self._versions, key)
        features = self._features.records.get(key)
        if features is None:
            raise ContractError(
                f"the input {predictions.features} lacks partition {key}",
                where=f"{predictions.table}[{key}]",
                fix="materialize it first",
            )
        digest, rows = features.record.digest, features.record.ledger.outcomes["valid"]
        code = self._code(version)
        serving = Serving(self._source(version), digest, rows, self._earlier(key, version, code, digest))
        fingerprint = (digest, version.digest, version.number, predictions.sql_digest, code)
        shard_rows = predictions.scoring.shard_rows
        files = [
            feature_file(self.settings.lake, predictions.features, path, count, shard_rows)
            for path, count in self._features.files[key]
        ]
        return Task(version, features, serving, cut(key, files, fingerprint, shard_rows), code)

    def _code(self, version: Version) -> str:
        options = self.predictions.scoring
        code = (*scoring_code(), *model_code(self._source(version), options.device))
        return combine([*code, str(options.batch_rows), repr(self.predictions.columns)])

    @cached_property
    def _versions(self) -> Versions:
        return self.registry.versions(self.predictions.registered_model)

    @cached_property
    def _features(self) -> _Opened:
        return self._opened(self.predictions.features, self.keys)

    @cached_property
    def _compared(self) -> _Opened:
        keys = [found for key in self.keys if (found := self._compared_key(key)) is not None]
        return self._opened(self.predictions.table, keys) if keys else _Opened()

    def _opened(self, name: str, keys: Sequence[str]) -> _Opened:
        table = Table(self.settings.lake, name).open()
        if table is None:
            return _Opened()
        return _Opened(newest_records(table, keys), live_rows(table))

    def _source(self, version: Version) -> ModelSource:
        if version.number not in self._sources:
            self._sources[version.number] = self.registry.source(version)
        return self._sources[version.number]

    def _compared_key(self, key: str) -> str | None:
        """The partition whose scores may be taken over, if any."""
        if self.replay:
            return key
        if self.predictions.reuse is None:
            return None
        return self.predictions.calendar.shift(key, -self.predictions.reuse)

    def _earlier(self, key: str, version: Version, code: str, digest: str) -> Earlier | None:
        """What may be taken over: scores of this very version, code and SQL."""
        compared = self._compared_key(key)
        found = None if compared is None else self._compared.records.get(compared)
        if compared is None or found is None or found.record.model is None:
            return None
        now = (version.digest, code, self.predictions.sql_digest)
        if (found.record.model.digest, found.record.code, found.sql_digest) != now:
            return None
        read = found.record.inputs.get(self.predictions.features)
        if read is None:  # the feature table bore another name
            return None
        same_features = read.digest == digest
        kept = all(self.predictions.column_of(score) for score in self.predictions.scores)
        if not kept or (self.predictions.reuse is None and not same_features):
            return None
        files = tuple(path for path, rows in self._compared.files.get(compared, ()) if rows)
        return Earlier(self.settings.lake, compared, files, same_features)


def serving_version(predictions: Predictions, versions: Versions, key: str) -> Version:
    """The version that the table's `version` field means for a partition.

    Raises:
        RegistryError: there is none.
    """
    if predictions.version == "as_of":
        return versions.as_of(predictions.decision(key))
    if predictions.version == "champion":
        return versions.champion()
    return versions.numbered(predictions.version)
