"""Scoring partitions: choose the versions, plan the shards of all, let an engine map them once, commit at once.

Belongs here: the steps from feature partitions to committed prediction partitions. Does not belong here: what
happens inside a shard (`scorer.py`), what its receipts add up to (`scored.py`) or what is checked (`checks.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version as installed

from batch_platform.engines import engine_named
from batch_platform.errors import ContractError, ModelError, ends_the_run, foreseen
from batch_platform.lake.log import Recorded, live_rows, newest_records
from batch_platform.lake.table import Table
from batch_platform.models.artifact import Model
from batch_platform.models.registry import Registry, Version
from batch_platform.outcomes import PartitionOutcome, Run
from batch_platform.predictions.definition import Predictions
from batch_platform.predictions.receipts import Failure, Receipt
from batch_platform.predictions.scored import Scored, add_up, commit, judge
from batch_platform.predictions.scorer import Attempt, Serving, ShardScorer
from batch_platform.predictions.shards import Shard, plan
from batch_platform.settings import Settings
from batch_platform.telemetry.cost import Meter
from batch_platform.versions import installed_version


@dataclass(frozen=True)
class _Inputs:
    """The feature partitions at one version of their table: their records, and path and rows of their files."""

    records: Mapping[str, Recorded]
    files: Mapping[str, list[tuple[str, int]]]


@dataclass(frozen=True)
class _Task:
    """One partition, planned: what scores it, what it reads, and its shards."""

    version: Version
    features: Recorded
    serving: Serving
    shards: Sequence[Shard]


def score(
    predictions: Predictions, settings: Settings, keys: Sequence[str], run: Run, meter: Meter
) -> list[PartitionOutcome]:
    """Score partitions and commit the good ones together, failed rows first.

    Raises:
        LakeError: the lake cannot be read or written; no partition has changed then.
        BatchPlatformError: a transient one, such as a registry out of reach, which no other partition would find
            different; no partition has changed then.
    """
    registry = Registry(settings)
    planner = _Planner(predictions, registry, _opened(predictions, settings, keys))
    tasks: dict[str, _Task] = {}
    outcomes: dict[str, PartitionOutcome] = {}
    for key in keys:
        try:
            tasks[key] = planner.task(key)
        except Exception as error:
            outcomes[key] = _failed(predictions, key, error)
    results = _mapped(predictions, settings, tasks)
    done: dict[str, Scored] = {}
    for key, task in tasks.items():
        try:
            receipts = _receipts(results[key])
            scored = add_up(predictions, key, task.features, task.version, receipts)
            # Asked anew: a champion may have changed while the shards were scored.
            expected = serving_version(predictions, registry, key)
            outcomes[key] = judge(predictions, settings.lake, key, task.version, scored, expected)
            if outcomes[key].error is None:
                done[key] = scored
        except Exception as error:
            outcomes[key] = _failed(predictions, key, error)
    noted = commit(predictions, settings.lake, done, run, meter) if done else {}
    return [outcomes[key].noting(noted) for key in keys]


def _failed(predictions: Predictions, key: str, error: Exception) -> PartitionOutcome:
    found = foreseen(error, f"{predictions.table}[{key}]")
    if ends_the_run(found):
        raise found
    return PartitionOutcome(key, error=found)


def _opened(predictions: Predictions, settings: Settings, keys: Sequence[str]) -> _Inputs:
    table = Table(settings.lake, predictions.features).open()
    return _Inputs({}, {}) if table is None else _Inputs(newest_records(table, keys), live_rows(table))


@cache
def scoring_code() -> tuple[str, ...]:
    """The code that decides about scores and outputs.

    The vector kernels that torch uses here are part of it: scores are bit-equal only where they are the same.
    """
    import torch

    libraries = [f"{name} {installed(name)}" for name in ("torch", "polars")]
    return (installed_version(), *libraries, str(torch.backends.cpu.get_cpu_capability()))


def serving_version(predictions: Predictions, registry: Registry, key: str) -> Version:
    """The version that the table's `version` field means for a partition."""
    name = predictions.registered_model
    if predictions.version == "as_of":
        return registry.as_of(name, predictions.decision(key))
    if predictions.version == "champion":
        return registry.champion(name)
    return registry.numbered(name, predictions.version)


@dataclass(frozen=True)
class _Planner:
    """Plans partitions; each model version is loaded once."""

    predictions: Predictions
    registry: Registry
    inputs: _Inputs
    models: dict[str, Model] = field(default_factory=dict)

    def task(self, key: str) -> _Task:
        """One partition's task.

        Raises:
            BatchPlatformError: the key, its features, its version or the version's model are not to be had.
        """
        predictions = self.predictions
        predictions.calendar.window(key)
        version = serving_version(predictions, self.registry, key)
        if version.number not in self.models:
            self.models[version.number] = self._load(version)
        found = self.inputs.records.get(key)
        if found is None:
            raise ContractError(
                f"the input {predictions.features} lacks partition {key}",
                where=f"{predictions.table}[{key}]",
                fix="materialize it first",
            )
        digest = found.record.digest
        fingerprint = (digest, version.digest, version.number, predictions.sql_digest, *scoring_code())
        serving = Serving(self.models[version.number], version.number, version.digest, digest)
        return _Task(version, found, serving, plan(key, self.inputs.files[key], fingerprint))

    def _load(self, version: Version) -> Model:
        model = self.registry.load(version)
        declared = set(self.predictions.columns)
        lacking = [name for name in model.features if name not in declared]
        if lacking:
            raise ModelError(
                f"the model reads {lacking[0]!r}, which is no feature of {self.predictions.features}",
                where=f"{version.name} version {version.number}",
                fix="train a version on the present features",
            )
        return model


def _mapped(
    predictions: Predictions, settings: Settings, tasks: Mapping[str, _Task]
) -> dict[str, list[Receipt | Failure]]:
    """The results of each partition's shards, in the order of the rows; one call of the engine scores them all."""
    scorer = ShardScorer(predictions, settings.lake, {key: task.serving for key, task in tasks.items()})
    shards = [shard for task in tasks.values() for shard in task.shards]
    results: dict[str, list[Receipt | Failure]] = {key: [] for key in tasks}
    for result in engine_named(predictions.engine).map(Attempt(scorer), shards):
        results[result.shard.partition].append(result)
    for found in results.values():
        found.sort(key=lambda result: (result.shard.path, result.shard.first_row))
    return results


def _receipts(results: Sequence[Receipt | Failure]) -> list[Receipt]:
    """The receipts of one partition, or the error of its first shard that failed."""
    for result in results:
        if isinstance(result, Failure):
            raise result.error
    return [result for result in results if isinstance(result, Receipt)]
