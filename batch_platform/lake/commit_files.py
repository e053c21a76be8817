"""What a commit asks of the files that it is given.

Belongs here: refusing files before they become visible. Does not belong here: making them visible (`commit.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from batch_platform.errors import LakeError
from batch_platform.lake.data_file import DataFile, partition_folder
from batch_platform.lake.provenance import WHOLE_TABLE, Provenance
from batch_platform.lake.table import Table


def refuse_strangers(table: Table, files: Mapping[str, Sequence[DataFile]], provenance: Provenance) -> None:
    """Check that each partition has a record and files of its own, each once.

    Raises:
        LakeError: naming the first that has not.
    """
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


def refuse_missing(table: Table, files: Sequence[DataFile]) -> None:
    """Check that files are there as they were written; a commit that named another would break every later read.

    Raises:
        LakeError: naming the first that is not; transient, for a rerun writes it anew.
    """
    for file in files:
        size = table.lake.size(table.name, file.path)
        if size != file.size_bytes:
            found = "does not exist" if size is None else f"has {size} bytes"
            raise LakeError(
                f"file {file.path!r} {found}, {file.size_bytes} bytes were written",
                where=table.name,
                fix="run the partition again",
                transient=True,
            )
