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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from batch_platform.errors import LakeError, first_line
from batch_platform.lake.commit_files import refuse_missing, refuse_strangers
from batch_platform.lake.creation import adapt_schema, create
from batch_platform.lake.data_file import DataFile
from batch_platform.lake.log import Recorded, files_of, live_files, newest_records, reading
from batch_platform.lake.provenance import METADATA_KEY, WHOLE_TABLE, PartitionRecord, Provenance, Stage
from batch_platform.lake.schema import storage_schema
from batch_platform.lake.table import Table
from batch_platform.partitions import PARTITION_COLUMN

ATTEMPTS = 50


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

    In this order the main table's log is the only truth: a quarantine that no record names never happened. Runs that
    race may commit their quarantines in one order and their rows in another; whoever commits last then makes the
    quarantine agree with the main table, so that the two are as if one run had come after the other.

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
    done = replace_partitions(main.table, main.schema, main.files, named)
    if _has_version(rejected.table, before.version + 1):
        agree(main.table, rejected.table, main.files)
    return done


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
    refuse_strangers(table, files, provenance)
    if not files:
        return Commit(table.version(), frozenset())
    partitioned = WHOLE_TABLE not in files
    try:
        schema = storage_schema(schema)
    except LakeError as error:
        raise LakeError(error.what, where=table.name, fix=error.fix) from error
    for attempt in range(ATTEMPTS):
        delta = table.open() or create(table, schema, partitioned)
        with reading(table.name):
            has_partitions = bool(delta.metadata().partition_columns)
        if has_partitions != partitioned:
            raise LakeError("is with partitions in one run and without in another", where=table.name)
        adapt_schema(table, delta, schema)
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
        refuse_missing(table, [file for key in sorted(changed) for file in files[key]])
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
        table.settle(base + 1)
        return Commit(base + 1, frozenset(changed))
    raise LakeError(f"other writers won {ATTEMPTS} times in a row", where=table.name, transient=True)


def agree(main: Table, rejected: Table, keys: Iterable[str]) -> None:
    """Let the live rejected rows of partitions be those that the main table's newest records name.

    Ends when it has seen that they are: of writers that race, the one that changes either table last sees both as
    they will stay.

    Raises:
        LakeError: a table cannot be read or written, or other writers kept winning for `ATTEMPTS` attempts.
    """
    wanted = set(keys)
    for _ in range(ATTEMPTS):
        opened, live = main.open(), rejected.open()
        if opened is None or live is None:
            return
        versions: dict[int, set[str]] = {}
        for key, found in newest_records(opened, wanted).items():
            version = found.provenance.quarantine_version
            if version is not None:
                versions.setdefault(version, set()).add(key)
        held = newest_records(live, wanted)
        agreed = True
        for version, members in sorted(versions.items()):
            earlier = rejected.open(version)
            assert earlier is not None
            meant = newest_records(earlier, members)
            strays = {k: r for k, r in meant.items() if k not in held or held[k].record.digest != r.record.digest}
            if strays:
                agreed = False
                _restore(rejected, live, earlier, strays)
        if agreed:
            return
    raise LakeError(f"other writers won {ATTEMPTS} times in a row", where=rejected.name, transient=True)


def _restore(table: Table, live: DeltaTable, earlier: DeltaTable, strays: Mapping[str, Recorded]) -> None:
    """Commit again what partitions held at an earlier version, with the records that they had."""
    files = files_of(earlier, strays)
    schema = pa.schema([field for field in pa.schema(live.schema()) if field.name != PARTITION_COLUMN])
    commits: dict[int, dict[str, Recorded]] = {}
    for key, found in strays.items():
        commits.setdefault(found.version, {})[key] = found
    for group in commits.values():
        records = {key: found.record for key, found in group.items()}
        provenance = replace(next(iter(group.values())).provenance, partitions=records)
        replace_partitions(table, schema, {key: files[key] for key in group}, provenance)


def _has_version(table: Table, version: int) -> bool:
    return table.lake.size(table.name, f"_delta_log/{version:020}.json") is not None


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
