"""Shards: runs of row groups of feature files, planned from footers without reading data.

Belongs here: where shards begin and end, and what they are called. Does not belong here: scoring one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FeatureFile:
    """One file of a feature partition.

    Args:
        path: relative to the feature table's folder.
        rows: how many rows it holds.
        groups: the rows of each of its row groups; None where nobody looked, since the file is one shard anyway.
    """

    path: str
    rows: int
    groups: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Shard:
    """A run of row groups of one feature file.

    Args:
        partition: the partition that the file belongs to.
        path: the file, relative to the feature table's folder.
        first_row: the first row of the range within the file.
        rows: how many rows; zero for the one shard of an empty partition.
        name: derived from everything that determines the result, so that a known result can be found again.
        groups: the first row group and the one after the last; None for the whole file.
    """

    partition: str
    path: str
    first_row: int
    rows: int
    name: str
    groups: tuple[int, int] | None = None


def cut(partition: str, files: Iterable[FeatureFile], fingerprint: Sequence[str], shard_rows: int) -> list[Shard]:
    """Cut the files of one partition into shards of about equal size.

    A row group is never split, since its rows can only be reached by decoding those before them: a file with a single
    enormous one is a single shard, which is read as a stream.

    Args:
        partition: the partition's key.
        files: its files.
        fingerprint: what determines the scores: input digest, model digest, code and settings.
        shard_rows: the size to aim at.
    """
    base = "\n".join((partition, *fingerprint))
    ranges = [piece for file in sorted(files, key=lambda file: file.path) for piece in _ranges(file, shard_rows)]
    # Empty files add nothing beside others; alone, one of them is the partition.
    ranges = [piece for piece in ranges if piece[2]] or ranges[:1]
    return [
        Shard(partition, path, first, rows, _name(f"{base}\n{path}\n{first}\n{rows}"), groups)
        for path, first, rows, groups in ranges
    ]


def _ranges(file: FeatureFile, shard_rows: int) -> Iterator[tuple[str, int, int, tuple[int, int] | None]]:
    """Path, first row, rows and row groups of each shard of a file."""
    pieces = -(-file.rows // shard_rows)
    if file.groups is None or pieces <= 1:
        yield file.path, 0, file.rows, None
        return
    first_row = rows = first_group = done = 0
    for index, group in enumerate(file.groups):
        rows += group
        # The next boundary of `pieces` equal parts is reached: the remainder is spread over all shards, not left over.
        if (first_row + rows) * pieces >= file.rows * (done + 1) or index == len(file.groups) - 1:
            yield file.path, first_row, rows, (first_group, index + 1)
            first_row, rows, first_group = first_row + rows, 0, index + 1
            done = first_row * pieces // max(file.rows, 1)


def _name(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
