"""What a table's log says: which files are live, and the newest provenance record of each partition.

Belongs here: reading the log of an opened table. Does not belong here: the shape of the records
(`provenance.py`), or writing to the log (`commit.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from batch_platform.errors import LakeError, first_line
from batch_platform.lake.data_file import DataFile
from batch_platform.lake.provenance import METADATA_KEY, WHOLE_TABLE, PartitionRecord, Provenance
from batch_platform.partitions import PARTITION_COLUMN

_PAGES = (64, 512, None)
"""How much of the log is read at first, then, and at last: most readers ask for what is recent."""


@contextmanager
def reading(table: str) -> Iterator[None]:
    """Turn what delta-rs says of a log that it cannot read into an error that names the table.

    Raises:
        LakeError: the log is damaged or out of reach.
    """
    try:
        yield
    except (DeltaError, OSError) as error:
        raise LakeError(f"the table's log cannot be read: {first_line(error)}", where=table) from error


def table_name(table: DeltaTable) -> str:
    """The name of an opened table: the last two folders of its address."""
    return "/".join(table.table_uri.rstrip("/").split("/")[-2:])


@dataclass(frozen=True)
class Recorded:
    """The newest record of one partition, the table version that carries it, and the whole commit's provenance."""

    version: int
    record: PartitionRecord
    provenance: Provenance = field(repr=False)

    @property
    def sql_digest(self) -> str | None:
        """The SQL that made it."""
        return self.provenance.sql_digest


def newest_records(table: DeltaTable, partitions: Iterable[str] | None = None) -> dict[str, Recorded]:
    """The newest record of each partition that is live in the version at which `table` was opened.

    Raises:
        LakeError: the log or a record in it cannot be read.
    """
    missing = set(live_files(table).values())
    if partitions is not None:
        missing &= set(partitions)
    found: dict[str, Recorded] = {}
    for limit in _PAGES:
        if not missing:
            break
        for version, text in _entries(table, limit):
            try:
                provenance = Provenance.from_json(text)
            except LakeError as error:
                raise LakeError(error.what, where=f"{table_name(table)}, version {version}", fix=error.fix) from error
            for key in missing & provenance.partitions.keys():
                found[key] = Recorded(version, provenance.partitions[key], provenance)
            missing -= found.keys()
            if not missing:
                break
    return found


def keys_since(table: DeltaTable, version: int) -> set[str]:
    """The partitions that commits after a version of an opened table have something to say about.

    Raises:
        LakeError: the log or a record in it cannot be read.
    """
    commits = int(table.version()) - version
    return {key for _, text in _entries(table, commits) for key in Provenance.from_json(text).partitions}


def newest_contract(table: DeltaTable) -> str | None:
    """The contract that the newest commit with one was held against, as JSON.

    Raises:
        LakeError: the log or a record in it cannot be read.
    """
    for limit in _PAGES:
        for _, text in _entries(table, limit):
            contract = Provenance.from_json(text).contract
            if contract is not None:
                return contract
    return None


def _entries(table: DeltaTable, limit: int | None) -> Iterator[tuple[int, str]]:
    """Version and record of the newest commits up to the opened version, at most `limit` of them."""
    with reading(table_name(table)):
        newest = int(table.version())
        entries = table.history(limit)
    # delta-rs starts with commits that are newer than the opened table and numbers them as if there were none.
    later = max(0, len(entries) - min(limit or newest + 1, newest + 1))
    for version, entry in zip(range(newest, -1, -1), entries[later:], strict=False):
        if METADATA_KEY in entry:
            yield version, entry[METADATA_KEY]


def live_files(table: DeltaTable) -> dict[str, str]:
    """Path -> partition key of every file that the table's newest version names."""
    actions = _add_actions(table)
    # The log percent-encodes paths; actions and file systems take them as they stand on disk.
    paths = [unquote(path) for path in actions.column("path").to_pylist()]
    column = f"partition.{PARTITION_COLUMN}"
    keys = actions.column(column).to_pylist() if column in actions.column_names else [WHOLE_TABLE] * len(paths)
    return dict(zip(paths, keys, strict=True))


def live_rows(table: DeltaTable) -> dict[str, list[tuple[str, int]]]:
    """Partition key -> path and row count of each of its live files, in the order of their paths."""
    actions = _add_actions(table)
    paths = [unquote(path) for path in actions.column("path").to_pylist()]
    counts = dict(zip(paths, actions.column("num_records").to_pylist(), strict=True))
    found: dict[str, list[tuple[str, int]]] = {}
    for path, key in sorted(live_files(table).items()):
        found.setdefault(key, []).append((path, int(counts[path])))
    return found


def files_of(table: DeltaTable, keys: Iterable[str]) -> dict[str, list[DataFile]]:
    """The live files of partitions, with their row counts for statistics."""
    actions, known = _add_actions(table), live_files(table)
    found: dict[str, list[DataFile]] = {key: [] for key in keys}
    columns = (actions.column(name).to_pylist() for name in ("path", "size_bytes", "num_records"))
    for raw, size, rows in zip(*columns, strict=True):
        path = unquote(raw)
        if known[path] in found:
            statistics = json.dumps({"numRecords": rows})
            found[known[path]].append(DataFile(path, known[path], size, rows, statistics))
    return found


def _add_actions(table: DeltaTable) -> pa.Table:
    with reading(table_name(table)):
        # Not `pa.table`, which imports pandas: that takes longer than reading a thousand commits.
        return pa.RecordBatchReader.from_stream(table.get_add_actions(flatten=True)).read_all()
