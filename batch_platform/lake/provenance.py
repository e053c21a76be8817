"""Where every partition came from: the record that each commit carries, and the row ledger inside it.

Belongs here: the shape of the record, its completeness, and reading it back from a table's log. Does not
belong here: gathering its parts (stages do) or committing it (`commit.py` does).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from batch_platform.errors import LakeError, ProvenanceError, first_line
from batch_platform.versions import installed_version, running_commit

METADATA_KEY = "batch_platform"
FORMAT = 1
WHOLE_TABLE = ""
"""Stands for the partition key of a table that has no partitions."""


class Stage(StrEnum):
    """The kind of table, which decides what its provenance must name."""

    SNAPSHOT = "snapshots"
    FEATURES = "features"
    PREDICTIONS = "predictions"
    QUARANTINE = "quarantine"


@dataclass(frozen=True)
class Ledger:
    """The row ledger of one partition: `rows` came in, and `outcomes` says what became of each of them."""

    rows: int
    outcomes: Mapping[str, int]

    @property
    def balanced(self) -> bool:
        """Whether every row that came in is accounted for exactly once."""
        return self.rows == sum(self.outcomes.values()) and all(count >= 0 for count in self.outcomes.values())

    def __str__(self) -> str:
        return f"{self.rows} rows = " + " + ".join(f"{count} {name}" for name, count in self.outcomes.items())


@dataclass(frozen=True)
class InputRead:
    """What one partition read of one input table: which partitions, at which version, with which content."""

    version: int
    digest: str
    partitions: tuple[str, str] | None = None


@dataclass(frozen=True)
class SourceRead:
    """One source file that a snapshot captured."""

    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class ModelUsed:
    """The model version that scored a partition."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True)
class PartitionRecord:
    """One partition's part of a commit: its content digest, its ledger and what it was made from.

    `rejected` is the digest of the rows that stand in quarantine instead; empty where a table has no quarantine.
    `code` is a digest of the code and settings that decided about scores, and `profile` the path, inside the table's
    folder, of the file that says how its values are spread; both are empty where there is none.
    """

    digest: str
    ledger: Ledger
    inputs: Mapping[str, InputRead] = field(default_factory=dict)
    sources: tuple[SourceRead, ...] = ()
    model: ModelUsed | None = None
    rejected: str = ""
    code: str = ""
    profile: str = ""

    @property
    def content(self) -> tuple[str, Ledger, tuple[SourceRead, ...], ModelUsed | None, str, Mapping[str, str]]:
        """What must be equal for a rerun to have changed nothing.

        The content of the inputs counts, not their versions: what came out the same from a corrected input is recorded
        as made from it, or it would count as outdated for good.
        """
        reads = {table: read.digest for table, read in self.inputs.items()}
        return (self.digest, self.ledger, self.sources, self.model, self.rejected, reads)


@dataclass(frozen=True)
class Provenance:
    """The record of one commit. Complete, or the commit is refused.

    `seconds` is wall time and `cost` is in dollars (see `telemetry.cost`). `quarantine_version` is the version
    of the quarantine table that holds this commit's rejected rows, committed before this one. `format` grows when
    older platforms would misread the record; a field that they may ignore does not make it grow. `contract` is what
    the rows were held against, as JSON, for a table that has a contract; `reads_nothing` that a partition
    had nothing to read: no input at all, or none that exists before the first build.
    """

    stage: Stage
    run_id: str
    engine: str
    seconds: float
    cost: float
    partitions: Mapping[str, PartitionRecord]
    sql_digest: str | None = None
    quarantine_version: int | None = None
    contract: str | None = None
    reads_nothing: bool = False
    package_version: str = field(default_factory=installed_version)
    git_commit: str = field(default_factory=running_commit)
    format: int = FORMAT

    def refuse_if_incomplete(self, table: str) -> None:
        """Check that nothing is missing and that each ledger balances.

        Raises:
            ProvenanceError: naming the first thing that is missing, or the ledger that does not balance.
        """
        missing = [name for name in ("run_id", "engine", "package_version", "git_commit") if not getattr(self, name)]
        if self.stage is Stage.FEATURES and not self.sql_digest:
            missing.append("sql_digest")
        for key, record in self.partitions.items():
            place = f"{table}[{key}]" if key else table
            if not record.ledger.balanced:
                raise ProvenanceError(f"the row ledger does not balance: {record.ledger}", where=place)
            if not record.digest:
                missing.append(f"digest of {place}")
            if self.stage is Stage.SNAPSHOT and not record.sources:
                missing.append(f"source files of {place}")
            needed = self.stage is Stage.PREDICTIONS or (self.stage is Stage.FEATURES and not self.reads_nothing)
            if needed and not record.inputs:
                missing.append(f"input versions of {place}")
            if self.stage is Stage.PREDICTIONS and record.model is None:
                missing.append(f"model version of {place}")
        if missing:
            raise ProvenanceError(f"provenance is incomplete, {missing[0]} is missing", where=table)

    def described(self, version: int) -> dict[str, str | int | float | None]:
        """What a person sees beside each partition of a commit that became (or was already) `version`."""
        return {
            "table_version": version,
            "engine": self.engine,
            "seconds": self.seconds,
            "cost_dollars": self.cost,
            "sql_digest": self.sql_digest,
            "package_version": self.package_version,
            "git_commit": self.git_commit,
        }

    def to_json(self) -> str:
        """The record as it stands in the table's log."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Provenance:
        """Read a record back from a table's log; fields that this version does not know are left out.

        Raises:
            LakeError: it is no record, or a newer platform wrote it in a format that this one would misread.
        """
        try:
            raw = json.loads(text)
            written = int(raw.get("format", FORMAT))
            if written > FORMAT:
                raise LakeError(
                    f"the provenance record has format {written}, this platform reads up to {FORMAT}",
                    fix=f"use batch-platform {raw.get('package_version', 'of a newer version')} or newer",
                )
            partitions = {key: _partition_record(value) for key, value in raw["partitions"].items()}
            return cls(**_known(cls, {**raw, "stage": Stage(raw["stage"]), "partitions": partitions}))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise LakeError(f"the provenance record cannot be read: {first_line(error)}") from error


def _known(kind: type, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The entries that are fields of a dataclass."""
    return {item.name: raw[item.name] for item in fields(kind) if item.name in raw}


def _partition_record(raw: Mapping[str, Any]) -> PartitionRecord:
    parts = {
        "ledger": Ledger(**_known(Ledger, raw["ledger"])),
        "inputs": {name: _input_read(read) for name, read in raw.get("inputs", {}).items()},
        "sources": tuple(SourceRead(**_known(SourceRead, source)) for source in raw.get("sources", ())),
        "model": ModelUsed(**_known(ModelUsed, raw["model"])) if raw.get("model") else None,
    }
    return PartitionRecord(**_known(PartitionRecord, {**raw, **parts}))


def _input_read(raw: Mapping[str, Any]) -> InputRead:
    stretch = tuple(raw["partitions"]) if raw.get("partitions") else None
    return InputRead(**_known(InputRead, {**raw, "partitions": stretch}))
