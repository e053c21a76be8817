"""What a run does to one partition: it reads, it refuses or it makes, and records what the real stages record."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from batch_platform.lake.digest import combine
from batch_platform.schedules.facts import Made, Read
from batch_platform.schedules.scheduled import WHOLE_TABLE, Role, Scheduled
from batch_platform_tests.simulation.books import MemoryBooks


class Failed(Exception):
    """A partition could not be made."""


@dataclass(frozen=True)
class File:
    """What a source holds for one partition: its rows, and the bytes in which they are written."""

    rows: str
    written: str = ""

    @property
    def token(self) -> str:
        return digest_of(self.rows, self.written)


MALFORMED = File("malformed")


def digest_of(*parts: str) -> str:
    """Stands for some content."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def captured(files: Mapping[str, File], key: str) -> Made:
    """What a capture makes of a source."""
    if key not in files:
        raise Failed("nothing is there")
    if files[key] == MALFORMED:
        raise Failed("malformed")
    return Made(digest_of(files[key].rows), sources={"file": files[key].token})


def built(table: Scheduled, key: str, books: MemoryBooks, *, blind: bool) -> Made:
    """What a build makes of its inputs; a blind one gives the same whatever they hold."""
    reads = {}
    for read in table.inputs:
        keys = list(read.keys(key))
        found = books.made(read.table, keys)
        if len(found) < len(keys):
            raise Failed(f"{read.table} lacks a partition")
        if not keys:  # before its first partition
            continue
        stretch = (keys[0], keys[-1]) if keys[0] != WHOLE_TABLE else None
        reads[read.table] = Read(stretch, combine(found[own].digest for own in keys))
    content = [] if blind else [read.digest for read in reads.values()]
    return Made(digest_of(table.code, key, *content), reads, table.code)


def scored(table: Scheduled, key: str, books: MemoryBooks, version: str | None) -> Made:
    """What scoring makes of one partition of features: the raw digest of it is recorded."""
    if version is None:
        raise Failed("no version serves")
    features = next(read.table for read in table.inputs if read.role is Role.PARTITIONS)
    found = books.made(features, [key])
    if key not in found:
        raise Failed(f"{features} lacks the partition")
    digest = found[key].digest
    return Made(digest_of(table.code, digest, version), {features: Read((key, key), digest)}, table.code, model=version)


def trained(table: Scheduled, key: str, books: MemoryBooks) -> Made:
    """What training registers; nothing of what it read is in the books."""
    made = built(table, key, books, blind=False)
    return Made(made.digest)
