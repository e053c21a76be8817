"""The facts of a moment, gathered from the lake, the registry and Dagster.

Belongs here: asking Dagster what runs and which checks failed, in terms of tables and partitions. Does not belong
here: deciding by it (`schedules/decision.py`).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

import dagster as dg

from batch_platform.automation.backfill_records import outstanding
from batch_platform.automation.check_failures import CheckFailures
from batch_platform.automation.table_runs import longest_recent, partitions_running, unfinished
from batch_platform.errors import BatchPlatformError, LakeError
from batch_platform.schedules.arrival_book import ArrivalBook, arrivals, read_book
from batch_platform.schedules.books import LakeBooks
from batch_platform.schedules.facts import Arrival, Facts, Made
from batch_platform.schedules.scheduled import Scheduled
from batch_platform.schedules.windows import Windows
from batch_platform.settings import Settings

TEAM = "batch_platform/team"
"""The tag that names the team of a run's tables, by which quotas count."""

_ENOUGH = 3
"""Tables that cannot be read, before any that can, after which it is the lake: each may take long to fail."""


class StillReadingError(BatchPlatformError):
    """A process that has just begun has not read all tables yet."""


@dataclass(frozen=True)
class Observer:
    """Looks at one deployment, again and again; what it read of the lake it keeps.

    Args:
        tables: all tables that the platform makes.
        blocking: table -> its blocking checks.
        settings: where things lie.
        instance: Dagster.
        books: what tables hold.
        windows: when runs may start.
        quotas: team -> how many runs it may have at once of those that nobody asked for.
        checks: what is known of checks.
    """

    tables: Sequence[Scheduled]
    blocking: Mapping[str, Sequence[dg.AssetCheckKey]]
    settings: Settings
    instance: dg.DagsterInstance
    books: LakeBooks
    windows: Windows
    quotas: Mapping[str, int]
    all_checks: Mapping[str, Sequence[dg.AssetCheckKey]] = field(default_factory=dict)
    checks: CheckFailures = field(default_factory=CheckFailures, compare=False, repr=False)
    patience: float | None = None
    known: set[str] = field(default_factory=set, compare=False, repr=False)
    lock: threading.RLock = field(default_factory=threading.RLock, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        tables: Sequence[Scheduled],
        checks: Iterable[dg.AssetCheckSpec],
        settings: Settings,
        instance: dg.DagsterInstance,
        windows: Windows | None = None,
        quotas: Mapping[str, int] | None = None,
    ) -> Observer:
        """An observer of all tables, who knows which of the checks block."""
        known: dict[str, list[dg.AssetCheckKey]] = {}
        blocking: dict[str, list[dg.AssetCheckKey]] = {}
        for check in checks:
            known.setdefault("/".join(check.asset_key.path), []).append(check.key)
            if check.blocking:
                blocking.setdefault("/".join(check.asset_key.path), []).append(check.key)
        elsewhere = {table.table: _asked(table.held, settings) for table in tables if table.held is not None}
        books = LakeBooks(settings.lake, elsewhere)
        return cls(tables, blocking, settings, instance, books, windows or Windows(), quotas or {}, known)

    def observe(self, now: datetime) -> Facts:
        """Everything that a decision needs to know at this moment.

        What the lake holds is read when it is asked for: whoever observes in one of several threads holds `lock`
        until the decision is made.

        Raises:
            LakeError: a table's log cannot be read.
            StillReadingError: there was more to read for the first time than its patience allows.
        """
        self.books.look()
        if self.patience is not None:
            self._read_ahead(now, time.monotonic() + self.patience)
        unreadable = self._unreadable()
        runs = unfinished(self.instance)
        arrived, asked, unwatched = self._arrivals()
        serving = {table.table: table.serving for table in self.tables if table.serving is not None}

        @cache
        def versions(table: str) -> Callable[[str], str | None]:
            return serving[table](self.settings)

        @cache
        def noticed() -> None:
            self.checks.look(self.instance, [check for checks in self.blocking.values() for check in checks])

        @cache
        def failures(table: str) -> dict[str, str]:
            noticed()
            return self.failures(table)

        return Facts(
            now=now,
            books=self.books,
            arrived=arrived,
            unwatched=unwatched,
            asked=asked,
            unreadable=unreadable,
            running=partitions_running(runs, self.tables),
            requested=outstanding(self.instance, self.tables),
            blocked=lambda table, key: failures(table).get(key),
            closed_until=self.windows.closed_until,
            seconds=longest_recent(self.instance),
            quotas=self.quotas,
            team_runs=Counter(run.tags[TEAM] for run in runs if TEAM in run.tags),
            version=self.books.version,
            serving=lambda table, key: versions(table)(key) if table in serving else None,
        )

    def _unreadable(self) -> dict[str, str]:
        """The tables whose log is damaged, and how; one of them must not stop the others.

        Raises:
            LakeError: it is the lake that cannot be read.
        """
        found: dict[str, str] = {}
        readable = False
        for table in self.tables:
            try:
                self.books.live(table.table)
                readable = readable or table.held is None
            except LakeError as error:
                found[table.table] = str(error)
                if not readable and len(found) == _ENOUGH:
                    raise
        if found and not readable:
            raise LakeError("none of its tables can be read", where=next(iter(found)), fix=next(iter(found.values())))
        for name in found:
            self.books.leave_out(name)
        return found

    def _read_ahead(self, now: datetime, end: float) -> None:
        for table in self.tables:
            if table.table in self.known:
                continue
            if time.monotonic() > end:
                raise StillReadingError(
                    f"{len(self.tables) - len(self.known)} of {len(self.tables)} tables were not read yet since this "
                    "process began",
                    fix="nothing: the next look goes on",
                )
            with suppress(LakeError):  # told by whoever asks next
                self.books.made(table.table, table.within(table.rules.lookback, now))
            self.known.add(table.table)

    def _arrivals(self) -> tuple[dict[str, dict[str, Arrival]], dict[str, dict[str, Arrival]], set[str]]:
        """What has arrived for tables whose source is watched, what was asked for of the others, and which nobody has
        looked at."""
        unwatched: set[str] = set()
        arrived: dict[str, dict[str, Arrival]] = {}
        asked: dict[str, dict[str, Arrival]] = {}
        for table in self.tables:
            if not table.source:
                continue
            noted = read_book(self.settings.lake, table.table)
            if noted is None and table.watched:
                unwatched.add(table.table)
            book = noted or ArrivalBook(watched=table.watched)
            keys = {*book.seen, *book.asked}
            found = arrivals(book, self.books.made(table.table, keys))
            (arrived if book.watched else asked)[table.table] = found
        return arrived, asked, unwatched

    def failures(self, table: str) -> dict[str, str]:
        """Partition -> the first blocking check of a table that had failed on it when Dagster was last asked."""
        return self.checks.of(self.instance, self.blocking.get(table, ()))


def _asked(held: Callable[[Settings], Mapping[str, Made]], settings: Settings) -> Callable[[], Mapping[str, Made]]:
    return lambda: held(settings)
