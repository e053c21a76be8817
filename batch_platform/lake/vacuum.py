"""Vacuum: deleting what nobody will ever read, and nothing else.

Belongs here: deleting leftovers in a safe order. Does not belong here: which files are leftovers (`orphans.py`), or
forgetting old versions, which is history and stays.

It may be killed at any moment: everything that it deletes is invisible to readers, and receipts go before the files
that they name. A rerun goes on where it stopped.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from batch_platform.errors import LakeError
from batch_platform.lake.lease import Clock, active_leases, cleaning, utc_now
from batch_platform.lake.orphans import Leftovers, leftovers
from batch_platform.lake.store import Lake
from batch_platform.lake.stored_entry import StoredEntry
from batch_platform.lake.table import Table

LEAST_AGE = timedelta(hours=1)
"""No file younger than this is deleted: between a file and its commit may lie a run without a lease."""


@dataclass(frozen=True)
class Vacuumed:
    """What was deleted, or would be.

    Args:
        place: the table, or the folder of spilled rows.
        files: how many files.
        size_bytes: their size.
        skipped: why nothing was deleted; empty if it was looked for.
    """

    place: str
    files: int = 0
    size_bytes: int = 0
    skipped: str = ""


def vacuum(lake: Lake, table: str, older_than: timedelta, *, dry_run: bool = False, clock: Clock = utc_now) -> Vacuumed:
    """Delete the leftovers of one table that are older than a limit; a table that a run works on is passed by.

    Raises:
        LakeError: the log or the store cannot be read; what was deleted until then were leftovers.
    """
    if dry_run:
        running = active_leases(lake, table, clock())
        return _passed_by(table) if running else _counted(table, _found(lake, table, older_than, clock).all)
    if not lake.list(table):
        return Vacuumed(table)
    with cleaning(lake, table, clock=clock) as mark:
        if mark is None:
            return _passed_by(table)
        gone = []
        for entry in _found(lake, table, older_than, clock).all:
            # One that was stopped and goes on later must not go by what it saw before: a step may have begun.
            if not mark.holds():
                break
            lake.remove(table, entry.path)
            gone.append(entry)
        return _counted(table, gone)


def vacuum_spill(folder: Path, older_than: timedelta, *, dry_run: bool = False, clock: Clock = utc_now) -> Vacuumed:
    """Delete folders of spilled rows that killed runs left: those in which nothing was written within a limit.

    Raises:
        LakeError: one of them cannot be read or deleted.
    """
    files = size = 0
    try:
        for spill in sorted(folder.glob("spill-*")):
            if spill.is_symlink() or not spill.is_dir():
                continue
            inside = [(path, path.lstat()) for path in spill.rglob("*")]
            newest = max(spill.lstat().st_mtime, *(seen.st_mtime for _, seen in inside), 0.0)
            if datetime.fromtimestamp(newest, UTC) >= clock() - older_than:
                continue
            own = [seen.st_size for path, seen in inside if not path.is_dir()]
            files, size = files + len(own), size + sum(own)
            if not dry_run:
                shutil.rmtree(spill)
    except OSError as error:
        raise LakeError(f"spilled rows cannot be deleted: {error.strerror}", where=str(folder)) from error
    return Vacuumed(str(folder), files, size)


def _found(lake: Lake, table: str, older_than: timedelta, clock: Clock) -> Leftovers:
    now = clock()
    return leftovers(Table(lake, table), now - older_than, now)


def _counted(place: str, found: Sequence[StoredEntry]) -> Vacuumed:
    return Vacuumed(place, len(found), sum(entry.size_bytes for entry in found))


def _passed_by(table: str) -> Vacuumed:
    return Vacuumed(table, skipped="a run works on it")
