"""Leases: a running step says which table it works on, so that no vacuum takes files that it has yet to commit.

Belongs here: announcing a step, and keeping steps and vacuums of one table apart. Does not belong here: what a vacuum
deletes (`vacuum.py`). Commits need no lease: they are safe against one another by themselves.

Whoever comes first wins: each writes its own mark before it looks for the other's, so of two that come at the same
moment at least one sees the other. A step waits for a vacuum; a vacuum passes by a table that a step works on.
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

_VACUUM = "vacuum"
_RUN = "run"
_POLL_SECONDS = 0.05

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Lease:
    """One lease: whose it is, and when it was last refreshed."""

    path: str
    holder: str
    refreshed: datetime


def utc_now() -> datetime:
    """The clock of this machine."""
    return datetime.now(UTC)


@contextmanager
def lease(lake: Lake, table: str, run_id: str, *, clock: Clock = utc_now) -> Iterator[None]:
    """Announce that a step works on a table, as long as it does; it is refreshed every minute meanwhile.

    Waits for a vacuum of the table that is at work, which takes seconds.

    Raises:
        LakeError: the store refuses the lease, so it would refuse the step's files, too.
    """
    with _mark(lake, table, _RUN, run_id, clock):
        while _active(lake, table, _VACUUM, clock()):
            time.sleep(_POLL_SECONDS)
        yield


@contextmanager
def cleaning(lake: Lake, table: str, *, clock: Clock = utc_now) -> Iterator[bool]:
    """Keep steps that begin now from a table while leftovers are deleted; false if a step works on it already.

    Raises:
        LakeError: the store refuses the mark.
    """
    with _mark(lake, table, _VACUUM, uuid.uuid4().hex, clock):
        yield not active_leases(lake, table, clock())


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
    return [found for found in all_leases(lake, table, f"{kind}-") if now - found.refreshed < EXPIRY]


@contextmanager
def _mark(lake: Lake, table: str, kind: str, holder: str, clock: Clock) -> Iterator[None]:
    safe = re.sub(r"[^A-Za-z0-9_-]", "-", holder)[:80]
    # A run may work on one table in several processes: each takes away its own lease only.
    path = f"{FOLDER}/{kind}-{safe}-{uuid.uuid4().hex[:8]}.json"
    ended = threading.Event()

    def announce() -> None:
        text = json.dumps({"holder": holder, "refreshed": clock().isoformat()})
        # After a loss of power nobody holds it any more.
        lake.put_text(table, path, text, durable=False)

    def refresh() -> None:
        while not ended.wait(REFRESH_SECONDS):
            # The next minute may do better; a step must not fail because it cannot say that it works.
            with suppress(LakeError):
                announce()

    announce()
    thread = threading.Thread(target=refresh, name=f"lease of {table}", daemon=True)
    thread.start()
    try:
        yield
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
