"""What a table's log says: which files are live, and the newest provenance record of each partition.

Belongs here: reading the log of an opened table. Does not belong here: the shape of the records
(`provenance.py`), or writing to the log (`commit.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable

from batch_platform.lake.provenance import METADATA_KEY, WHOLE_TABLE, PartitionRecord, Provenance
from batch_platform.partitions import PARTITION_COLUMN


@dataclass(frozen=True)
class Recorded:
    """The newest record of one partition, the table version that carries it, and the SQL that made it."""

    version: int
    record: PartitionRecord
    sql_digest: str | None = None


def newest_records(table: DeltaTable, partitions: Iterable[str] | None = None) -> dict[str, Recorded]:
    """The newest record of each partition that is live in the version at which `table` was opened."""
    missing = set(live_files(table).values())
    if partitions is not None:
        missing &= set(partitions)
    found: dict[str, Recorded] = {}
    for entry in table.history() if missing else ():
        if METADATA_KEY not in entry:
            continue
        provenance = Provenance.from_json(entry[METADATA_KEY])
        for key in missing & provenance.partitions.keys():
            found[key] = Recorded(int(entry["version"]), provenance.partitions[key], provenance.sql_digest)
        missing -= found.keys()
        if not missing:
            break
    return found


def live_files(table: DeltaTable) -> dict[str, str]:
    """Path -> partition key of every file that the table's newest version names."""
    actions = pa.table(table.get_add_actions(flatten=True))
    # The log percent-encodes paths; actions and file systems take them as they stand on disk.
    paths = [unquote(path) for path in actions.column("path").to_pylist()]
    column = f"partition.{PARTITION_COLUMN}"
    keys = actions.column(column).to_pylist() if column in actions.column_names else [WHOLE_TABLE] * len(paths)
    return dict(zip(paths, keys, strict=True))


def live_rows(table: DeltaTable) -> dict[str, list[tuple[str, int]]]:
    """Partition key -> path and row count of each of its live files, in the order of their paths."""
    actions = pa.table(table.get_add_actions(flatten=True))
    paths = [unquote(path) for path in actions.column("path").to_pylist()]
    counts = dict(zip(paths, actions.column("num_records").to_pylist(), strict=True))
    found: dict[str, list[tuple[str, int]]] = {}
    for path, key in sorted(live_files(table).items()):
        found.setdefault(key, []).append((path, int(counts[path])))
    return found
