"""Shards: row ranges of feature files, planned from footers without reading data.

Belongs here: where shards begin and end, and what they are called. Does not belong here: scoring one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SHARD_ROWS = 262_144
"""A multiple of every batch size in use, so that a shard never ends inside a batch."""


@dataclass(frozen=True)
class Shard:
    """A row range of one feature file.

    Args:
        partition: the partition that the file belongs to.
        path: the file, relative to the feature table's folder.
        first_row: the first row of the range within the file.
        rows: how many rows; zero for the one shard of an empty partition.
        name: derived from everything that determines the result, so that a known result can be found again.
    """

    partition: str
    path: str
    first_row: int
    rows: int
    name: str


def plan(
    partition: str, files: Iterable[tuple[str, int]], fingerprint: Sequence[str], shard_rows: int = SHARD_ROWS
) -> list[Shard]:
    """Cut the files of one partition into shards.

    Args:
        partition: the partition's key.
        files: path and row count of each file.
        fingerprint: what determines the scores: input digest, model digest, code and settings.
        shard_rows: the largest shard.
    """
    ranges = [
        (path, first, min(shard_rows, rows - first))
        for path, rows in sorted(files)
        for first in (range(0, rows, shard_rows) if rows else (0,))
    ]
    # Empty files add nothing beside others; alone, one of them is the partition.
    ranges = [item for item in ranges if item[2]] or ranges[:1]
    base = "\n".join((partition, *fingerprint))
    return [
        Shard(
            partition, path, first, rows, hashlib.sha256(f"{base}\n{path}\n{first}\n{rows}".encode()).hexdigest()[:32]
        )
        for path, first, rows in ranges
    ]
