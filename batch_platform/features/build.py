"""Building a feature table: permitted inputs in, one query per partition, contract applied, both tables committed.

Belongs here: the way of a partition's rows from the query into the lake. Does not belong here: what a partition may
read (`inputs.py`), the meaning of the SQL (`sql.py`) or of the contract (`contract.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import polars as pl
import pyarrow as pa

from batch_platform.errors import BatchPlatformError, ContractError, LakeError, first_line
from batch_platform.features.checks import Reads, describe_reads, feature_checks, key_is_unique
from batch_platform.features.contract import SOURCE_FILE, SOURCE_ROW, Contract
from batch_platform.features.inputs import Inputs
from batch_platform.features.quarantine import Tolerance, quarantine_rows, quarantine_schema, stop_if_exceeded
from batch_platform.features.sql import SqlModel
from batch_platform.features.validation import validate
from batch_platform.lake.commit import Replacement, replace_with_quarantine
from batch_platform.lake.data_file import DataFile
from batch_platform.lake.digest import combine, digest_table
from batch_platform.lake.provenance import Ledger, PartitionRecord, Provenance, Stage
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.outcomes import CheckOutcome, Metadata, PartitionOutcome, Run
from batch_platform.partitions import Calendar, Offset
from batch_platform.telemetry.cost import Meter
from batch_platform.timelines import Reading


@dataclass(frozen=True)
class FeatureTable:
    """One feature table: its SQL, its contract, and what each partition may read.

    Args:
        model: the SQL model.
        contract: what its rows must be.
        calendar: its partitions.
        known_at: the decision time; nothing known later is read.
        readings: for each input, the stretch of its partitions that a partition may see.
        tolerance: how many rows may be quarantined before a partition is refused.
    """

    model: SqlModel
    contract: Contract
    calendar: Calendar
    known_at: Offset
    readings: tuple[Reading, ...]
    tolerance: Tolerance

    @property
    def sql_digest(self) -> str:
        """A digest of what decides about the rows: the SQL and the contract."""
        return combine([self.model.digest, self.contract.digest])

    @property
    def quarantine(self) -> str:
        """The name of the table that holds the rejected rows."""
        return f"quarantine/{self.model.name}"


def build(features: FeatureTable, lake: Lake, keys: Sequence[str], run: Run, meter: Meter) -> list[PartitionOutcome]:
    """Build partitions and commit the good ones together, quarantined rows first.

    Raises:
        LakeError: the lake cannot be read or written; no partition has changed then.
    """
    outcomes: dict[str, PartitionOutcome] = {}
    known: list[str] = []
    for key in keys:
        try:
            features.calendar.window(key)
            known.append(key)
        except BatchPlatformError as error:
            outcomes[key] = PartitionOutcome(key, error=error)
    inputs = Inputs(features.readings, lake, known)
    ready: list[str] = []
    for key in known:
        try:
            inputs.refuse_missing(key, features.model.table)
            ready.append(key)
        except ContractError as error:
            checks = (CheckOutcome("inputs_are_fresh", False, str(error)),)
            outcomes[key] = PartitionOutcome(key, error=error, checks=checks)
    writer = _Writer(features, lake, inputs)
    with inputs.sandbox() as sandbox, ThreadPoolExecutor(1) as pool:

        def query(key: str) -> pa.Table:
            window = features.calendar.window(key)
            return sandbox.query(key, features.model.compile(window), str(features.model.path))

        for key, rows in _one_ahead(pool, query, ready):
            try:
                outcomes[key] = writer.accept(key, rows.result())
            except LakeError:
                raise
            except BatchPlatformError as error:
                outcomes[key] = PartitionOutcome(key, error=error)
    noted = writer.commit(run, meter)
    return [outcomes[key].noting(noted) for key in keys]


def _one_ahead(
    pool: Executor, query: Callable[[str], pa.Table], keys: Sequence[str]
) -> Iterator[tuple[str, Future[pa.Table]]]:
    """Each key with its rows; the next key's query runs while the caller judges and writes this one's."""
    waiting: deque[tuple[str, Future[pa.Table]]] = deque()
    for key in keys:
        waiting.append((key, pool.submit(query, key)))
        if len(waiting) > 1:
            yield waiting.popleft()
    yield from waiting


class _Writer:
    """Collects the files of accepted partitions and commits them: the quarantine, then the table itself."""

    def __init__(self, features: FeatureTable, lake: Lake, inputs: Inputs) -> None:
        self.features, self.inputs = features, inputs
        self.valid, self.rejected = Table(lake, features.model.table), Table(lake, features.quarantine)
        self.files: dict[str, dict[str, list[DataFile]]] = {"valid": {}, "rejected": {}}
        self.kept: dict[str, dict[str, PartitionRecord]] = {"valid": {}, "rejected": {}}

    def accept(self, key: str, rows: pa.Table) -> PartitionOutcome:
        """Apply the contract to a partition's rows and write both files, invisible as yet."""
        features = self.features
        contract = features.contract
        try:
            verdict = validate(_frame(rows, f"{features.model.table}[{key}]"), contract)
            stop_if_exceeded(verdict, features.tolerance, contract, partition=key)
        except ContractError as error:
            return PartitionOutcome(key, error=error, checks=(CheckOutcome("contract", False, str(error)),))
        unique = key_is_unique(verdict, features.model.key)
        if not unique.passed:
            repeated = ContractError(
                unique.description,
                where=f"{features.model.table}[{key}]",
                fix="correct the SQL, or add unique_combination_of_columns to the contract to quarantine such rows",
            )
            return PartitionOutcome(key, error=repeated, checks=(unique,))
        valid = verdict.valid.to_arrow().cast(stored_schema(contract))
        rejected = quarantine_rows(verdict.rejected, contract)
        inputs = self.inputs.reads(key)
        digest, rejected_digest = digest_table(valid).hex, digest_table(rejected).hex
        ledger = Ledger(rows.num_rows, {"valid": valid.num_rows, "quarantined": rejected.num_rows})
        self.files["valid"][key] = [self.valid.write(key, valid)]
        self.files["rejected"][key] = [self.rejected.write(key, rejected)]
        self.kept["valid"][key] = PartitionRecord(digest, ledger, inputs)
        self.kept["rejected"][key] = PartitionRecord(
            rejected_digest, Ledger(rejected.num_rows, {"quarantined": rejected.num_rows}), inputs
        )
        return PartitionOutcome(
            key,
            digest=digest,
            rows=valid.num_rows,
            metadata={"ledger": str(ledger), "inputs": describe_reads(inputs)},
            checks=feature_checks(
                Reads(features.readings, inputs, key, self._decision(key)), verdict, features.model.key, ledger
            ),
            extra={
                features.quarantine: PartitionOutcome(
                    key, digest=rejected_digest, rows=rejected.num_rows, metadata={"rules": dict(verdict.broken)}
                )
            },
        )

    def _decision(self, key: str) -> datetime:
        return self.features.known_at.after(self.features.calendar.start_of(key))

    def commit(self, run: Run, meter: Meter) -> Metadata:
        """Commit what was accepted; returns what the commit says of all its partitions."""
        if not self.kept["valid"]:
            return {}
        contract = self.features.contract
        provenance = Provenance(
            Stage.FEATURES,
            run.run_id,
            run.engine,
            meter.seconds,
            meter.dollars,
            self.kept["valid"],
            sql_digest=self.features.sql_digest,
        )
        commit = replace_with_quarantine(
            Replacement(self.valid, stored_schema(contract), self.files["valid"], self.kept["valid"]),
            Replacement(self.rejected, quarantine_schema(contract), self.files["rejected"], self.kept["rejected"]),
            provenance,
        )
        return provenance.described(commit.version)


def _frame(rows: pa.Table, where: str) -> pl.DataFrame:
    """The query's rows, ready to be judged.

    Raises:
        ContractError: two columns have one name, a column has a type that no table can hold, or `_source_file` and
            `_source_row` are not text and whole number.
    """
    try:
        frame = pl.DataFrame(pl.from_arrow(rows))
    except pl.exceptions.PolarsError as error:
        raise ContractError(
            f"the rows cannot be stored: {first_line(error)}", where=where, fix="correct the SQL"
        ) from error
    for name, kind in ((SOURCE_FILE, pl.String), (SOURCE_ROW, pl.Int64)):
        found = frame[name] if name in frame.columns else pl.Series(dtype=kind)
        if not (found.dtype == kind or (found.dtype.is_integer() and kind.is_integer()) or found.is_null().all()):
            raise ContractError(
                f"{name} is {found.dtype}, expected {kind}", where=where, fix="select it unchanged from an input"
            )
    return frame


def stored_schema(contract: Contract) -> pa.Schema:
    """The schema of a feature table's files: the contract's columns and each row's position in its source."""
    schema = contract.arrow_schema()
    return schema.append(pa.field(SOURCE_FILE, pa.string())).append(pa.field(SOURCE_ROW, pa.int64()))
