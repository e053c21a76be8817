"""The one way a table changes: replacing whole partitions in a single, optimistic Delta transaction.

Belongs here: the commit loop and what it refuses. Does not belong here: computing rows or writing files, which
happens before and is invisible until the commit.

Delta's own conflict resolution accepts two concurrent commits that create the same new partition, which leaves
every row twice. Retries are therefore turned off: any foreign commit makes ours fail, and the loop looks at the
table afresh. Files already live under the wanted name stay as they are, so a rerun commits nothing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from batch_platform.errors import LakeError, first_line
from batch_platform.lake.data_file import DataFile, partition_folder
from batch_platform.lake.log import live_files, newest_records, reading
from batch_platform.lake.provenance import METADATA_KEY, WHOLE_TABLE, PartitionRecord, Provenance, Stage
from batch_platform.lake.schema import added_columns, storage_schema
from batch_platform.lake.table import Table
from batch_platform.partitions import PARTITION_COLUMN

ATTEMPTS = 50
LOG_RETENTION = "interval 36500 days"
"""The log is the provenance: forgetting it is an explicit act, never a side effect of a checkpoint."""

_CONFIGURATION = {"delta.logRetentionDuration": LOG_RETENTION, "delta.enableExpiredLogCleanup": "false"}


@dataclass(frozen=True)
class Replacement:
    """The new content of some partitions of one table, before it is committed.

    Args:
        table: the table.
        schema: the columns of the files, without the partition column.
        files: the files of each partition.
        records: the record of each partition.
    """

    table: Table
    schema: pa.Schema
    files: Mapping[str, Sequence[DataFile]]
    records: Mapping[str, PartitionRecord]


@dataclass(frozen=True)
class Commit:
    """What a commit did: the table's version afterwards and the partitions whose content or record is new."""

    version: int
    changed: frozenset[str]


def replace_with_quarantine(main: Replacement, rejected: Replacement, provenance: Provenance) -> Commit:
    """Commit rejected rows, then the rows themselves with a record that names the quarantine's version.

    In this order the main table's log is the only truth: a quarantine that no record names never happened.

    Args:
        main: the table and its new partitions.
        rejected: the same partitions of its quarantine.
        provenance: of the main table; the records are taken from `main` and `rejected`.

    Raises:
        ProvenanceError, LakeError: see `replace_partitions`.
    """
    aside = replace(provenance, stage=Stage.QUARANTINE, partitions=rejected.records, contract=None)
    before = replace_partitions(rejected.table, rejected.schema, rejected.files, aside)
    named = replace(provenance, partitions=main.records, quarantine_version=before.version)
    return replace_partitions(main.table, main.schema, main.files, named)


def replace_partitions(
    table: Table, schema: pa.Schema, files: Mapping[str, Sequence[DataFile]], provenance: Provenance
) -> Commit:
    """Make `files` the whole content of their partitions, atomically; all other partitions stay untouched.

    Args:
        table: the table, created on its first commit.
        schema: the columns of the files, without the partition column; stored as `storage_schema` says.
        files: the new files of each partition; a computed and empty partition has one zero-row file.
        provenance: complete, with one record per partition in `files`.

    Raises:
        ProvenanceError: the provenance is incomplete or a ledger does not balance.
        LakeError: a file is named twice, lies outside its partition or does not exist, the schema is
            not compatible with the table's, the store refuses, or other writers kept winning for `ATTEMPTS` attempts.
    """
    provenance.refuse_if_incomplete(table.name)
    _refuse_strangers(table, files, provenance)
    if not files:
        return Commit(table.version(), frozenset())
    partitioned = WHOLE_TABLE not in files
    try:
        schema = storage_schema(schema)
    except LakeError as error:
        raise LakeError(error.what, where=table.name, fix=error.fix) from error
    for attempt in range(ATTEMPTS):
        delta = table.open() or _create(table, schema, partitioned)
        with reading(table.name):
            has_partitions = bool(delta.metadata().partition_columns)
        if has_partitions != partitioned:
            raise LakeError("is with partitions in one run and without in another", where=table.name)
        _adapt_schema(table, delta, schema)
        base = int(delta.version())
        # Of the very version that the commit is based on: a newer one would answer for files not seen here.
        known = newest_records(delta, files)
        changed = {
            key
            for key, record in provenance.partitions.items()
            if key not in known
            or known[key].record.content != record.content
            or known[key].sql_digest != provenance.sql_digest
        }
        if not changed:
            return Commit(base, frozenset())
        _refuse_missing(table, [file for key in sorted(changed) for file in files[key]])
        record = replace(provenance, partitions={key: provenance.partitions[key] for key in sorted(changed)})
        try:
            delta.create_write_transaction(
                _actions(delta, {key: files[key] for key in changed}, partitioned),
                "append",
                delta.schema(),
                partition_by=[PARTITION_COLUMN] if partitioned else [],
                commit_properties=CommitProperties(
                    custom_metadata={METADATA_KEY: record.to_json()}, max_commit_retries=0
                ),
            )
        except CommitFailedError:
            # Full jitter; it decides who waits, never what is written.
            time.sleep(random.uniform(0, min(1.0, 0.01 * 2**attempt)))
            continue
        except (DeltaError, OSError) as error:
            raise LakeError(f"commit refused: {first_line(error)}", where=table.name) from error
        # Without conflict resolution the commit is the base's direct successor, or it is not at all.
        return Commit(base + 1, frozenset(changed))
    raise LakeError(f"other writers won {ATTEMPTS} times in a row", where=table.name, transient=True)


def _refuse_strangers(table: Table, files: Mapping[str, Sequence[DataFile]], provenance: Provenance) -> None:
    if set(files) != set(provenance.partitions):
        raise LakeError("files and provenance name different partitions", where=table.name)
    if WHOLE_TABLE in files and len(files) > 1:
        raise LakeError("a table has partitions or has none", where=table.name)
    for key, members in files.items():
        folder = partition_folder(key)
        for file in members:
            inside = file.path.startswith(folder) and "/" not in file.path[len(folder) :]
            if file.partition != key or not inside:
                raise LakeError(f"file {file.path!r} lies outside partition {key!r}", where=table.name)
        full = [file.path for file in members if file.rows]
        if len(set(full)) < len(full):
            raise LakeError(f"a file of partition {key!r} is named twice", where=table.name, fix="name it once")
        if not members:
            raise LakeError(f"partition {key!r} has no file", where=table.name, fix="write a zero-row file")


def _refuse_missing(table: Table, files: Sequence[DataFile]) -> None:
    for file in files:
        size = table.lake.size(table.name, file.path)
        if size != file.size_bytes:
            found = "does not exist" if size is None else f"has {size} bytes"
            raise LakeError(
                f"file {file.path!r} {found}, {file.size_bytes} bytes were written",
                where=table.name,
                fix="delete the file if it is there, and run the partition again",
            )


def _create(table: Table, schema: pa.Schema, partitioned: bool) -> DeltaTable:
    full = schema.append(pa.field(PARTITION_COLUMN, pa.string())) if partitioned else schema
    try:
        DeltaTable.create(
            table.uri,
            Schema.from_arrow(full),
            mode="ignore",
            partition_by=[PARTITION_COLUMN] if partitioned else None,
            configuration=_CONFIGURATION,
            storage_options=dict(table.lake.options),
        )
    except CommitFailedError:
        pass  # another writer created it at the same moment
    except (DeltaError, OSError) as error:
        raise LakeError(f"cannot be created: {first_line(error)}", where=table.name) from error
    created = table.open()
    if created is None:
        raise LakeError("is gone as soon as it was created", where=table.name, fix="check who else changes the lake")
    return created


def _adapt_schema(table: Table, delta: DeltaTable, schema: pa.Schema) -> None:
    """Add columns that the table lacks; refuse columns that changed their type or vanished."""
    try:
        new = added_columns(pa.schema(delta.schema()), schema)
    except LakeError as error:
        raise LakeError(error.what, where=table.name, fix=error.fix) from error
    if not new:
        return
    try:
        delta.alter.add_columns(list(Schema.from_arrow(pa.schema(new)).fields))
    except CommitFailedError:
        pass  # the next look at the table tells whether someone else added them
    except (DeltaError, OSError) as error:
        raise LakeError(f"columns cannot be added: {first_line(error)}", where=table.name) from error
    with reading(table.name):
        delta.update_incremental()


def _actions(
    delta: DeltaTable, files: Mapping[str, Sequence[DataFile]], partitioned: bool
) -> list[AddAction | RemoveAction]:
    live = {path: key for path, key in live_files(delta).items() if key in files}
    wanted = {file.path: file for members in files.values() for file in members}
    now = int(time.time() * 1000)
    adds = [file.add_action(partitioned=partitioned) for path, file in wanted.items() if path not in live]
    removes = [
        RemoveAction(path, True, now, partition_values={PARTITION_COLUMN: key} if partitioned else {})
        for path, key in live.items()
        if path not in wanted
    ]
    return [*adds, *removes]
