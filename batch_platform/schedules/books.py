"""What tables hold, read from their logs, and read again only where something was committed since.

Belongs here: keeping what was read between one look and the next. Does not belong here: what it means (`owed.py`).
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from batch_platform.errors import BatchPlatformError
from batch_platform.lake.log import Recorded, keys_since, live_files, newest_records
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.schedules.facts import Made, Read

FIRST_COMMIT = "_delta_log/00000000000000000000.json"
_SETTLED = 2_000_000_000
"""Nanoseconds after which a folder that has not changed will not turn out to have changed at that very moment."""


def made_of(recorded: Recorded) -> Made:
    """What a schedule needs to know of a partition's record; a share of what its run took and cost."""
    record, commit = recorded.record, recorded.provenance
    return Made(
        digest=record.digest,
        reads={table: Read(read.partitions, read.digest) for table, read in record.inputs.items()},
        code=commit.sql_digest or "",
        model=record.model.version if record.model else "",
        rows=record.ledger.rows,
        seconds=commit.seconds / len(commit.partitions),
        dollars=commit.cost / len(commit.partitions),
        sources={source.path: source.sha256 for source in record.sources},
    )


@dataclass
class _Page:
    """What was read of one table; `checked` is the look for which it is known to be up to date."""

    checked: int = -1
    stamp: int | None = None
    origin: int | None = None
    delta: DeltaTable | None = None
    live: frozenset[str] = frozenset()
    order: list[str] = field(default_factory=list)
    made: dict[str, Made] = field(default_factory=dict)


class LakeBooks:
    """The tables of a lake, and what else holds partitions; see `facts.Books`.

    Between two calls of `look`, every table stands as it did when it was first asked for.

    Args:
        lake: the lake.
        elsewhere: tables that do not lie in it -> what they hold now; each is asked once in every look.
    """

    def __init__(self, lake: Lake, elsewhere: Mapping[str, Callable[[], Mapping[str, Made]]] | None = None) -> None:
        self._lake, self._elsewhere = lake, dict(elsewhere or {})
        self._pages: dict[str, _Page] = {}
        self._look = 0

    def look(self) -> None:
        """Begin another look at everything."""
        self._look += 1

    def leave_out(self, table: str) -> None:
        """For the rest of this look, a table holds nothing: what it does hold cannot be read."""
        self._pages[table] = _Page(checked=self._look)

    def live(self, table: str) -> AbstractSet[str]:
        """The keys of all partitions that are there.

        Raises:
            LakeError: the table's log cannot be read.
        """
        return self._page(table).live

    def made(self, table: str, keys: Iterable[str]) -> dict[str, Made]:
        """Those of the given partitions that are there.

        Raises:
            LakeError: the table's log or a record in it cannot be read.
        """
        page = self._page(table)
        wanted = [key for key in keys if key in page.live]
        unread = [key for key in wanted if key not in page.made]
        if unread and page.delta is not None:
            # Whoever asks for one asks for the next, and each time the log is read from its newest entry back.
            later = (key for key in page.order[bisect_left(page.order, min(unread)) :] if key not in page.made)
            page.made |= {key: made_of(found) for key, found in newest_records(page.delta, later).items()}
        return {key: page.made[key] for key in wanted if key in page.made}

    def stretch(self, table: str, first: str, last: str) -> list[str]:
        """The content digests of the partitions that are there from `first` to `last`, in the order of their keys."""
        order = self._page(table).order
        keys = order[bisect_left(order, first) : bisect_right(order, last)]
        return [made.digest for made in self.made(table, keys).values()]

    def version(self, table: str) -> int:
        """The newest version of a table; -1 if there is none, or it does not lie in the lake."""
        page = self._page(table)
        return -1 if page.delta is None else int(page.delta.version())

    def _page(self, table: str) -> _Page:
        page = self._pages.setdefault(table, _Page())
        if page.checked != self._look:
            if table in self._elsewhere:
                page.made = dict(self._elsewhere[table]())
                _list(page, page.made)
            else:
                try:
                    self._refresh(page, table)
                except BatchPlatformError:
                    # What was read up to here may be neither what was there before nor what is there now.
                    del self._pages[table]
                    raise
            page.checked = self._look
        return page

    def _refresh(self, page: _Page, table: str) -> None:
        stamp = self._stamp(table)
        if stamp is not None and stamp == page.stamp:
            return
        page.stamp = stamp if stamp is not None and time.time_ns() - stamp > _SETTLED else None
        before = -1 if page.delta is None else int(page.delta.version())
        # A table that was removed and made again is another one, which its old versions know nothing of.
        before_origin, page.origin = page.origin, self._changed_at(table, FIRST_COMMIT)
        known = page.delta if stamp != 0 and page.origin == before_origin else None
        page.delta = _newest(known) or (None if stamp == 0 else Table(self._lake, table).open())
        if page.delta is None or known is None or int(page.delta.version()) < before:
            page.made = {}
        elif int(page.delta.version()) == before:
            return
        else:
            changed = keys_since(page.delta, before)
            page.made = {key: made for key, made in page.made.items() if key not in changed}
        _list(page, live_files(page.delta).values() if page.delta is not None else ())

    def _stamp(self, table: str) -> int | None:
        """When the log's folder last changed, 0 if there is none; None where only the log itself can tell."""
        return self._changed_at(table, "_delta_log")

    def _changed_at(self, table: str, path: str) -> int | None:
        if not self._lake.is_local:
            return None
        try:
            return (Path(self._lake.uri(table)) / path).stat().st_mtime_ns
        except FileNotFoundError:
            return 0
        except OSError:
            return None


def _newest(delta: DeltaTable | None) -> DeltaTable | None:
    """The same table with what was committed since; None if it is not the same any more."""
    if delta is None:
        return None
    try:
        delta.update_incremental()
    except (DeltaError, OSError):
        return None
    return delta


def _list(page: _Page, keys: Iterable[str]) -> None:
    page.live = frozenset(intern(key) for key in keys)
    page.order = sorted(page.live)
