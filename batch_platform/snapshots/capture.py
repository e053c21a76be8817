"""Capturing an input: reading one source for each partition, checking it, committing it with its provenance.

Belongs here: what makes a snapshot acceptable and immutable. Does not belong here: how a kind of source is read
(`sources.py` and its neighbours).
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from batch_platform.errors import ContractError, LakeError, RowKeyError, ends_the_run, foreseen
from batch_platform.lake.commit import replace_partitions
from batch_platform.lake.data_file import DataFile
from batch_platform.lake.digest import digest_table
from batch_platform.lake.provenance import (
    Ledger,
    PartitionRecord,
    Provenance,
    SourceRead,
    Stage,
)
from batch_platform.lake.schema import added_columns, storable, storage_schema
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.outcomes import CheckOutcome, PartitionOutcome, Run
from batch_platform.snapshots.definition import Snapshot, no_rows, stored_columns
from batch_platform.snapshots.preflight import preflight
from batch_platform.snapshots.sources import Extract
from batch_platform.telemetry.cost import Meter

KEY_CHECK = "key_is_unique"


def capture(snapshot: Snapshot, lake: Lake, keys: Sequence[str], run: Run, meter: Meter) -> list[PartitionOutcome]:
    """Capture partitions and commit the good ones together; one bad partition does not stop the others.

    All partitions are looked at before the first is read, so those that cannot be right are refused in seconds, each
    with everything that differs.

    The same bytes captured again change nothing. Changed bytes become a new table version; if their rows are the
    same the data version stays, so nothing downstream runs. Each partition is written, and digested, with the columns
    of its own source alone, so its content does not depend on which partitions were captured before it.

    Raises:
        LakeError: the lake cannot be written; no partition has changed then.
    """
    table = Table(lake, snapshot.table)
    outcomes: dict[str, PartitionOutcome] = {}
    files: dict[str, list[DataFile]] = {}
    records: dict[str, PartitionRecord] = {}
    schema = stored_columns(table)
    refused = preflight(snapshot, lake, keys).refusals()
    for key in keys:
        try:
            if key in refused:
                raise refused[key]
            extract = _read(snapshot, key)
            rows, union = _fit(snapshot, key, extract.table, schema)
            _refuse_empty(snapshot, key, rows)
            rows = _in_key_order(snapshot, key, rows)
            digest = digest_table(rows).hex
            file = table.write(key, rows)
        except Exception as error:
            found = foreseen(error, snapshot.place(key))
            if ends_the_run(found):
                raise
            checks = _key_check(snapshot, False, str(found)) if isinstance(found, RowKeyError) else ()
            outcomes[key] = PartitionOutcome(key, error=found, checks=checks)
            continue
        added = [name for name in union.names if name not in schema.names] if schema.names else []
        schema = union
        files[key] = [file]
        records[key] = PartitionRecord(
            digest=digest,
            ledger=Ledger(rows.num_rows, {"kept": rows.num_rows}),
            sources=tuple(SourceRead(file.path, file.sha256, file.size_bytes) for file in extract.files),
        )
        outcomes[key] = PartitionOutcome(
            key,
            digest=digest,
            rows=rows.num_rows,
            metadata=_metadata(extract, added, [name for name in schema.names if name not in rows.column_names]),
            checks=_key_check(snapshot, True, f"{rows.num_rows} rows, each key once"),
        )
    if files:
        provenance = Provenance(
            Stage.SNAPSHOT,
            run.run_id,
            run.engine,
            meter.seconds,
            meter.dollars,
            records,
        )
        commit = replace_partitions(table, schema, files, provenance)
        noted = provenance.described(commit.version)
        outcomes = {key: outcome.noting(noted) for key, outcome in outcomes.items()}
    return [outcomes[key] for key in keys]


def _read(snapshot: Snapshot, key: str) -> Extract:
    if snapshot.calendar is None:
        return snapshot.source.read(None, None)
    return snapshot.source.read(key, snapshot.calendar.window(key))


def _fit(snapshot: Snapshot, key: str, rows: pa.Table, schema: pa.Schema) -> tuple[pa.Table, pa.Schema]:
    """The rows as the lake stores them, and the table's columns with theirs; the reason where they do not fit."""
    try:
        rows = storable(rows)
        expected = schema if snapshot.columns_known else [field for field in schema if field.name in rows.column_names]
        union = pa.schema([*schema, *added_columns(pa.schema(expected), rows.schema)])
        storage_schema(union)  # names may differ from those of other days in their case alone
        return rows, union
    except LakeError as error:
        place = snapshot.place(key)
        raise ContractError(f"differs from the table: {error.what}", where=place, fix=error.fix) from error


def _refuse_empty(snapshot: Snapshot, key: str, rows: pa.Table) -> None:
    if rows.num_rows == 0 and not snapshot.empty_allowed:
        raise no_rows(snapshot, key)


def _key_check(snapshot: Snapshot, passed: bool, text: str) -> tuple[CheckOutcome, ...]:
    """What is known of the key; nothing where rows have no identity."""
    return (CheckOutcome(KEY_CHECK, passed, text),) if snapshot.key else ()


def _in_key_order(snapshot: Snapshot, key: str, rows: pa.Table) -> pa.Table:
    """The rows in key order, or the reason why the key does not identify them."""
    place = snapshot.place(key)
    absent = [name for name in snapshot.key if name not in rows.column_names]
    if absent:
        raise RowKeyError(
            f"key column {absent[0]!r} is not in the source", where=place, fix=f"it has {', '.join(rows.column_names)}"
        )
    if not snapshot.key or rows.num_rows == 0:
        return rows
    for name in snapshot.key:
        if rows.column(name).null_count:
            first = pc.index(pc.is_null(rows.column(name)), True).as_py()
            raise RowKeyError(f"key column {name!r} is null", where=f"{place}, {_position(rows, first)}")
        if pa.types.is_floating(rows.column(name).type) and pc.any(pc.is_nan(rows.column(name))).as_py():
            raise RowKeyError(f"key column {name!r} is not a number in some row", where=place)
    order = pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in snapshot.key])
    rows = rows.take(order)
    same = None
    for name in snapshot.key:
        column = rows.column(name).combine_chunks()
        equal = pc.equal(column.slice(1), column.slice(0, len(column) - 1))
        same = equal if same is None else pc.and_(same, equal)
    twin = pc.index(same, True).as_py()
    if twin >= 0:
        values = ", ".join(f"{name}={rows.column(name)[twin].as_py()}" for name in snapshot.key)
        raise RowKeyError(
            f"duplicate key {values[:120]}: {_position(rows, twin)} and {_position(rows, twin + 1)}",
            where=place,
            fix="correct the source, or widen the key",
        )
    return rows


def _position(rows: pa.Table, index: int) -> str:
    return f"{rows.column('_source_file')[index].as_py()} row {rows.column('_source_row')[index].as_py()}"


def _metadata(extract: Extract, added: list[str], absent: list[str]) -> dict[str, str | list[object]]:
    shown: dict[str, str | list[object]] = {
        "source_files": [f"{file.path} ({file.size_bytes} bytes, sha256 {file.sha256[:12]})" for file in extract.files]
    }
    if extract.extra_columns:
        shown["ignored_columns"] = list(extract.extra_columns)
    if added:
        shown["added_columns"] = list[object](added)
    if absent:
        shown["absent_columns"] = list[object](absent)
    return shown
