"""Building a feature table: permitted inputs in, one query per partition, contract applied, both tables committed.

Belongs here: what a partition may read and how its rows reach the lake. Does not belong here: the meaning of the
SQL (`sql.py`) or of the contract (`contract.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import duckdb
import polars as pl
import pyarrow as pa

from batch_platform.errors import BatchPlatformError, ConfigurationError, ContractError, LakeError, first_line
from batch_platform.features.checks import Reads, describe_reads, feature_checks, key_is_unique
from batch_platform.features.contract import Contract
from batch_platform.features.quarantine import Tolerance, quarantine_rows, quarantine_schema, stop_if_exceeded
from batch_platform.features.sql import SqlModel
from batch_platform.features.validation import validate
from batch_platform.lake.commit import replace_partitions
from batch_platform.lake.digest import combine, digest_table
from batch_platform.lake.provenance import (
    InputRead,
    Ledger,
    PartitionRecord,
    Provenance,
    Stage,
    git_commit,
    package_version,
)
from batch_platform.lake.store import Lake, quote_identifier
from batch_platform.lake.table import DataFile, Recorded, Table
from batch_platform.outcomes import CheckOutcome, PartitionOutcome, Run
from batch_platform.partitions import PARTITION_COLUMN, Calendar, Offset, Reading
from batch_platform.telemetry.cost import Meter

Records = Mapping[str, Mapping[str, Recorded]]


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
    def quarantine(self) -> str:
        """The name of the table that holds the rejected rows."""
        return f"quarantine/{self.model.name}"


def build(features: FeatureTable, lake: Lake, keys: Sequence[str], run: Run, meter: Meter) -> list[PartitionOutcome]:
    """Build partitions and commit the good ones together, quarantined rows first.

    Raises:
        LakeError: the lake cannot be read or written; no partition has changed then.
    """
    outcomes: dict[str, PartitionOutcome] = {}
    ready: list[str] = []
    records = _records(features, lake, keys)
    for key in keys:
        try:
            features.calendar.window(key)
            _refuse_missing(features, key, records)
            ready.append(key)
        except ContractError as error:
            checks = (CheckOutcome("inputs_are_fresh", False, str(error)),)
            outcomes[key] = PartitionOutcome(key, error=error, checks=checks)
        except BatchPlatformError as error:
            outcomes[key] = PartitionOutcome(key, error=error)
    writer = _Writer(features, lake, records)
    with _inputs(features, lake, ready) as connection:
        for key in ready:
            try:
                outcomes[key] = writer.accept(key, _query(features, connection, key))
            except LakeError:
                raise
            except BatchPlatformError as error:
                outcomes[key] = PartitionOutcome(key, error=error)
    writer.commit(run, meter)
    return [outcomes[key] for key in keys]


class _Writer:
    """Collects the files of accepted partitions and commits them: the quarantine, then the table itself."""

    def __init__(self, features: FeatureTable, lake: Lake, records: Records) -> None:
        self.features, self.records = features, records
        self.valid, self.rejected = Table(lake, features.model.table), Table(lake, features.quarantine)
        self.files: dict[str, dict[str, list[DataFile]]] = {"valid": {}, "rejected": {}}
        self.kept: dict[str, dict[str, PartitionRecord]] = {"valid": {}, "rejected": {}}

    def accept(self, key: str, rows: pa.Table) -> PartitionOutcome:
        """Apply the contract to a partition's rows and write both files, invisible as yet."""
        features = self.features
        contract = features.contract
        frame = pl.DataFrame(pl.from_arrow(rows))
        try:
            verdict = validate(frame, contract)
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
        inputs = _reads(features, key, self.records)
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

    def commit(self, run: Run, meter: Meter) -> None:
        """Commit what was accepted; the main table's record names the quarantine's version."""
        if not self.kept["valid"]:
            return
        contract = self.features.contract

        def provenance(stage: Stage, kind: str, quarantine_version: int | None) -> Provenance:
            return Provenance(
                stage,
                run.run_id,
                run.engine,
                meter.seconds,
                meter.dollars,
                self.kept[kind],
                sql_digest=combine([self.features.model.digest, contract.digest]),
                quarantine_version=quarantine_version,
                package_version=package_version(),
                git_commit=git_commit(),
            )

        before = replace_partitions(
            self.rejected,
            quarantine_schema(contract),
            self.files["rejected"],
            provenance(Stage.QUARANTINE, "rejected", None),
        )
        replace_partitions(
            self.valid,
            stored_schema(contract),
            self.files["valid"],
            provenance(Stage.FEATURES, "valid", before.version),
        )


def stored_schema(contract: Contract) -> pa.Schema:
    """The schema of a feature table's files: the contract's columns and each row's position in its source."""
    schema = contract.arrow_schema()
    return schema.append(pa.field("_source_file", pa.string())).append(pa.field("_source_row", pa.int64()))


def _records(features: FeatureTable, lake: Lake, keys: Sequence[str]) -> Records:
    needed: dict[str, set[str]] = {reading.timeline.table: set() for reading in features.readings}
    for key in keys:
        for reading in features.readings:
            needed[reading.timeline.table].update(reading.keys(key))
    return {table: Table(lake, table).records(wanted) for table, wanted in needed.items()}


def _refuse_missing(features: FeatureTable, key: str, records: Records) -> None:
    """A partition computed without an input that should exist would differ silently from a later rerun."""
    for reading in features.readings:
        table = reading.timeline.table
        missing = [wanted for wanted in reading.keys(key) if wanted not in records[table]]
        if missing:
            named = f"partition {missing[0]}" if missing[0] else "the table"
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ContractError(
                f"the input {table} lacks {named}{more}",
                where=f"{features.model.table}[{key}]",
                fix="materialize it first",
            )


def _reads(features: FeatureTable, key: str, records: Records) -> dict[str, InputRead]:
    reads = {}
    for reading in features.readings:
        table, keys = reading.timeline.table, reading.keys(key)
        if not keys:
            continue
        found = [records[table][wanted] for wanted in keys]
        reads[table] = InputRead(
            version=max(item.version for item in found),
            digest=combine(item.record.digest for item in found),
            partitions=(keys[0], keys[-1]) if keys[0] else None,
        )
    return reads


@contextmanager
def _inputs(features: FeatureTable, lake: Lake, keys: Sequence[str]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection that holds the inputs of these partitions and can reach nothing else."""
    connection = duckdb.connect()
    try:
        connection.execute("SET TimeZone = 'UTC'")
        for stage in sorted({reading.timeline.table.split("/")[0] for reading in features.readings}):
            connection.execute(
                f"CREATE SCHEMA {quote_identifier(stage)}; CREATE SCHEMA {quote_identifier('_' + stage)}"
            )
        for reading in features.readings:
            wanted = sorted({key for own in keys for key in reading.keys(own)})
            _load(connection, Table(lake, reading.timeline.table), wanted)
        # What user SQL may reach is settled here: no file, no network, no setting can be opened again.
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        yield connection
    finally:
        connection.close()


def _load(connection: duckdb.DuckDBPyConnection, table: Table, keys: Sequence[str]) -> None:
    delta = table.open()
    if delta is None or not keys:
        return
    chosen = [(PARTITION_COLUMN, "in", list(keys))] if keys[0] else None
    connection.register("_arriving", delta.to_pyarrow_dataset(partitions=chosen))
    connection.execute(f"CREATE TABLE {_stored(table.name)} AS SELECT * FROM _arriving")
    connection.unregister("_arriving")


def _stored(table: str) -> str:
    stage, name = table.split("/")
    return f"{quote_identifier('_' + stage)}.{quote_identifier(name)}"


def _query(features: FeatureTable, connection: duckdb.DuckDBPyConnection, key: str) -> pa.Table:
    """Run the model for one partition, over views that show its permitted partitions only."""
    for reading in features.readings:
        stage, name = reading.timeline.table.split("/")
        view = f"{quote_identifier(stage)}.{quote_identifier(name)}"
        keys = reading.keys(key)
        only = ""
        if reading.timeline.calendar is not None:
            # Keys come from the calendar, never from a user: digits, dashes and colons.
            only = f"WHERE {PARTITION_COLUMN} BETWEEN '{keys[0]}' AND '{keys[-1]}'" if keys else "WHERE false"
        connection.execute(f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM {_stored(reading.timeline.table)} {only}")
    query = features.model.compile(features.calendar.window(key))
    try:
        return connection.sql(query).to_arrow_table()
    except duckdb.Error as error:
        raise ConfigurationError(
            f"the query fails for partition {key}: {first_line(error)}", where=str(features.model.path)
        ) from error
