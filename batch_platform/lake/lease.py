"""Leases: a running step says which table it works on, so that no vacuum takes files that it has yet to commit.

Belongs here: announcing a step, and keeping steps and vacuums of one table apart. Does not belong here: what a vacuum
deletes (`vacuum.py`). Commits need no lease: they are safe against one another by themselves.

Whoever comes first wins: each writes its own mark before it looks for the other's, so of two that come at the same
moment at least one sees the other. A step waits for a vacuum; a vacuum passes by a table that a step works on.

Machines that share a lake must agree about the time to within half a minute.
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from batch_platform.errors import LakeError
from batch_platform.lake.store import Lake

FOLDER = "_leases"
REFRESH_SECONDS = 60.0
EXPIRY = timedelta(minutes=10)
"""A lease that was not refreshed for so long belongs to nobody: its process is gone."""

VACUUM_REFRESH_SECONDS = 5.0
VACUUM_EXPIRY = timedelta(seconds=60)
"""The same for a vacuum's mark. Steps wait for it, so that of a vacuum that was killed must not last long."""

_VACUUM = "vacuum"
_RUN = "run"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Lease:
    """One lease: whose it is, and when it was last refreshed."""

    path: str
    holder: str
    refreshed: datetime


class Mark:
    """A mark of one's own: whether others have seen it without a break.

    Args:
        expiry: how long it lasts without being refreshed.
        clock: the clock that it was written by.
    """

    def __init__(self, expiry: timedelta, clock: Clock) -> None:
        self._expiry, self._clock = expiry, clock
        self._renewed: datetime | None = None
        self._lost = False

    def renew(self, now: datetime) -> None:
        """Note that the mark has been written with this time."""
        self._lost = not self.holds_at(now) if self._renewed else False
        self._renewed = now

    def holds(self) -> bool:
        """Whether it has never been near its expiry: false for good in a process that was stopped and goes on later."""
        return self.holds_at(self._clock())

    def holds_at(self, now: datetime) -> bool:
        """Whether it holds at a moment, see `holds`."""
        return not self._lost and self._renewed is not None and now - self._renewed < self._expiry / 2


def utc_now() -> datetime:
    """The clock of this machine."""
    return datetime.now(UTC)


@contextmanager
def lease(lake: Lake, table: str, run_id: str, *, clock: Clock = utc_now) -> Iterator[None]:
    """Announce that a step works on a table, as long as it does; it is refreshed every minute meanwhile.

    Waits for a vacuum of the table that is at work, which takes seconds, and looks for it less and less often, every
    two seconds in the end. A vacuum that was killed delays it by `VACUUM_EXPIRY` at most.

    Raises:
        LakeError: the store refuses the lease, so it would refuse the step's files, too.
    """
    with _mark(lake, table, _RUN, run_id, clock):
        pause = _FIRST_PAUSE
        while _active(lake, table, _VACUUM, clock()):
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        yield


@contextmanager
def cleaning(lake: Lake, table: str, *, clock: Clock = utc_now) -> Iterator[Mark | None]:
    """Keep steps that begin now from a table while leftovers are deleted; None if a step works on it already.

    Raises:
        LakeError: the store refuses the mark.
    """
    with _mark(lake, table, _VACUUM, uuid.uuid4().hex, clock) as mark:
        yield None if active_leases(lake, table, clock()) else mark


def active_leases(lake: Lake, table: str, now: datetime) -> list[Lease]:
    """The leases of steps that work on a table: those that were refreshed within `EXPIRY`.

    Raises:
        LakeError: the store refuses or is unreachable.
    """
    return _active(lake, table, _RUN, now)


def all_leases(lake: Lake, table: str, kind: str = "") -> list[Lease]:
    """The leases of a table, those of processes that are gone among them.

    Raises:
        LakeError: the store refuses or is unreachable.
    """
    entries = [entry for entry in lake.list(table, FOLDER) if entry.path.startswith(f"{FOLDER}/{kind}")]
    found = [_read(lake, table, entry.path, entry.modified) for entry in entries if entry.path.endswith(".json")]
    return [lease for lease in found if lease is not None]


def _active(lake: Lake, table: str, kind: str, now: datetime) -> list[Lease]:
    expiry = VACUUM_EXPIRY if kind == _VACUUM else EXPIRY
    return [found for found in all_leases(lake, table, f"{kind}-") if now - found.refreshed < expiry]


@contextmanager
def _mark(lake: Lake, table: str, kind: str, holder: str, clock: Clock) -> Iterator[Mark]:
    safe = re.sub(r"[^A-Za-z0-9_-]", "-", holder)[:80]
    # A run may work on one table in several processes: each takes away its own lease only.
    path = f"{FOLDER}/{kind}-{safe}-{uuid.uuid4().hex[:8]}.json"
    ended, mark = threading.Event(), Mark(VACUUM_EXPIRY if kind == _VACUUM else EXPIRY, clock)

    def announce() -> None:
        now = clock()
        text = json.dumps({"holder": holder, "refreshed": now.isoformat()})
        # After a loss of power nobody holds it any more.
        lake.put_text(table, path, text, durable=False)
        mark.renew(now)

    def refresh() -> None:
        while not ended.wait(VACUUM_REFRESH_SECONDS if kind == _VACUUM else REFRESH_SECONDS):
            # The next time may do better; a step must not fail because it cannot say that it works.
            with suppress(LakeError):
                announce()

    announce()
    thread = threading.Thread(target=refresh, name=f"lease of {table}", daemon=True)
    thread.start()
    try:
        yield mark
    finally:
        ended.set()
        thread.join()
        with suppress(LakeError):
            lake.remove(table, path)


def _read(lake: Lake, table: str, path: str, modified: datetime) -> Lease | None:
    """A lease; one that cannot be understood counts from when it was written, one that has just gone is None."""
    text = lake.read_text(table, path)
    if text is None:
        return None
    try:
        raw = json.loads(text)
        return Lease(path, str(raw["holder"]), datetime.fromisoformat(raw["refreshed"]).astimezone(UTC))
    except (ValueError, TypeError, KeyError):
        return Lease(path, path, modified)
