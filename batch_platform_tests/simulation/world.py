"""A simulated deployment: a clock, sources, the daemon's looks and the runs that they start.

Time jumps from one moment at which something can happen to the next; the daemon looks at full ticks, decides with the
real `decide`, and what it remembers goes through its text each time. Runs take time, read when they begin and commit
partition by partition, so that one that is killed leaves what it had made.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from zoneinfo import ZoneInfo

from batch_platform.errors import LakeError
from batch_platform.schedules.arrival_book import ArrivalBook, Asked
from batch_platform.schedules.decision import Decision, decide
from batch_platform.schedules.facts import Arrival, Facts, Made
from batch_platform.schedules.holds import Hold
from batch_platform.schedules.memory import from_text, to_text
from batch_platform.schedules.owed import change
from batch_platform.schedules.runs import PlannedRun
from batch_platform.schedules.scheduled import Role, Scheduled, in_order
from batch_platform.schedules.urgency import latest_starts
from batch_platform.schedules.watching import watched_keys
from batch_platform_tests.simulation.books import MemoryBooks
from batch_platform_tests.simulation.history import History, Place, Run
from batch_platform_tests.simulation.stages import Failed, File, built, captured, scored, trained

TICK = timedelta(seconds=10)
SETTLE = timedelta(seconds=10)
IDLE = timedelta(hours=12)
PARTITION_SECONDS = 1.0


class World(History):
    """One deployment and its history.

    Args:
        tables: what is declared.
        now: when the simulation begins.
        zone: in which local times are told.
    """

    def __init__(self, tables: Mapping[str, Scheduled], now: datetime, zone: str = "Europe/Berlin") -> None:
        super().__init__(ZoneInfo(zone))
        self.tables, self.now = dict(tables), now.astimezone(UTC)
        self.books = MemoryBooks()
        self.files: dict[str, dict[str, File]] = {name: {} for name, table in self.tables.items() if table.source}
        self.put_at: dict[Place, datetime] = {}
        self.polled: set[str] = set()
        self.asked: dict[Place, int] = {}
        self.broken: set[Place] = set()
        self.blind: set[str] = set()
        self.blocked: dict[Place, str] = {}
        self.promoted: dict[str, str] = {}
        self.rejected: set[str] = set()
        self.seconds: dict[str, float] = {}
        self.start_seconds = 5.0
        self.closed_until: Callable[[str, datetime], datetime | None] = lambda _, __: None
        self.daemon_up, self.lake_up, self.saves_cursor = True, True, True
        self.cursor: str | None = None
        self.repeated: list[str] = []
        self.decision: Decision | None = None
        self.decisions = 0
        self._identities: set[str] = set()
        self._agenda: list[tuple[datetime, int, int, Callable[[], object]]] = []
        self._number = count()

    # What happens to it.

    def local(self, text: str) -> datetime:
        """A moment on the local wall clock, such as `2025-03-04 05:00`."""
        return datetime.fromisoformat(text).replace(tzinfo=self.zone).astimezone(UTC)

    def at(self, moment: datetime | str, action: Callable[[], object], rank: int = 1) -> None:
        """Let something happen at a moment; what happens at the same one, in the order of ranks."""
        when = self.local(moment) if isinstance(moment, str) else moment.astimezone(UTC)
        heapq.heappush(self._agenda, (when, rank, next(self._number), action))

    def put(self, table: str, key: str, file: File) -> None:
        """A source holds this for a partition from now on."""
        self.files[table][key] = file
        self.put_at[table, key] = self.now

    def launch(self, tables: tuple[str, ...], first: str, last: str | None = None) -> Run:
        """Somebody starts a run over a stretch."""
        calendar = self.tables[tables[0]].calendar
        keys = tuple(calendar.keys_between(first, last or first)) if calendar else ("",)
        return self._start(Run(tables, keys, self.now, ("by hand",)))

    def kill(self, run: Run) -> None:
        """End a run at once, without a trace of what it was about to do."""
        run.ended = run.ended or self.now

    def settle(self) -> None:
        """Make everything that can be made now, as a deployment that has run for a while."""
        for table in in_order(list(self.tables.values())):
            calendar = table.calendar
            keys = calendar.keys_between(calendar.first, table.newest(self.now)) if calendar else [""]
            for key in keys:
                with suppress(Failed):
                    self._keep(table.table, key, self._result(table, key))

    # What runs.

    def until(self, moment: datetime | str) -> None:
        """Let time pass."""
        end = self.local(moment) if isinstance(moment, str) else moment.astimezone(UTC)
        while self.now < end:
            busy = self._look()
            self._pass(min(end, self._next(busy)))

    def _look(self) -> bool:
        """One look of the daemon; whether another one may see something new at once."""
        if not self.daemon_up or not self.lake_up:
            return False
        try:
            self.decision = found = decide(list(self.tables.values()), self.facts(), from_text(self.cursor))
        except LakeError:
            return False
        self.decisions += 1
        for planned in found.runs:
            self._request(planned)
        if self.saves_cursor:
            self.cursor = to_text(found.memory)
        return bool(found.runs)

    def _request(self, planned: PlannedRun) -> None:
        # Dagster starts no second run with a run key that it has seen.
        if planned.identity in self._identities:
            self.repeated.append(planned.identity)
            return
        self._identities.add(planned.identity)
        run = Run(planned.tables, planned.keys, self.now, planned.reasons, planned.priority, planned.identity)
        self._start(run)

    def _start(self, run: Run) -> Run:
        self.runs.append(run)
        moment = self.now + timedelta(seconds=self.start_seconds)
        for table in run.tables:
            seconds = self.seconds.get(table, PARTITION_SECONDS)
            for key in run.keys:
                self.at(moment, partial(self._begin, run, table, key, moment + timedelta(seconds=seconds)))
                moment += timedelta(seconds=seconds)
        self.at(moment, partial(self.kill, run), rank=2)
        return run

    def _begin(self, run: Run, table: str, key: str, end: datetime) -> None:
        """Read what a partition is made from; it is committed at the end."""
        if run.ended is None:
            try:
                made = self._result(self.tables[table], key)
            except Failed as error:
                run.failed[table, key] = str(error)
            else:
                self.at(end, partial(self._commit, run, table, key, made), rank=0)

    def _commit(self, run: Run, table: str, key: str, made: Made) -> None:
        if run.ended is not None:
            return
        if self.lake_up:
            self._keep(table, key, made)
            run.made[table, key] = self.now
        else:
            run.failed[table, key] = "the lake is unreachable"

    def _result(self, table: Scheduled, key: str) -> Made:
        name = table.table
        if (name, key) in self.broken:
            raise Failed("broken")
        if not self.lake_up:
            raise Failed("the lake is unreachable")
        if table.source:
            return captured(self.files[name], key)
        if table.held is not None:
            return trained(table, key, self.books)
        if table.serving is not None:
            return scored(table, key, self.books, self.serving(name, key))
        return built(table, key, self.books, blind=name in self.blind)

    def _keep(self, table: str, key: str, made: Made) -> None:
        self.books.commit(table, key, made)
        if self.tables[table].held is not None and key not in self.rejected:
            self.promoted[key] = f"{key}/1"

    # What is the case.

    def facts(self) -> Facts:
        """What the daemon sees."""
        return Facts(
            now=self.now,
            books=self.books,
            arrived={name: dict(self._arrived(name)) for name in self.files if name not in self.polled},
            asked={name: dict(self._asked(name)) for name in self.polled},
            running=self.running(),
            blocked=lambda table, key: self.blocked.get((table, key)),
            closed_until=self.closed_until,
            seconds={name: self.start_seconds + self.seconds.get(name, PARTITION_SECONDS) for name in self.tables},
            version=self.books.version,
            serving=self.serving,
        )

    def serving(self, table: str, key: str) -> str | None:
        """The newest promoted version of the window in which a partition is decided, or of an earlier one."""
        declared = self.tables[table]
        if declared.serving is None:
            return None
        (window,) = next(read for read in declared.inputs if read.role is Role.MODEL).keys(key)
        earlier = [each for each in self.promoted if each <= window]
        return self.promoted[max(earlier)] if earlier else None

    def running(self) -> dict[str, set[str]]:
        """Table -> the partitions that are running."""
        found: dict[str, set[str]] = {}
        for run in self.runs[-200:]:
            if run.ended is None:
                for table, key in run.places:
                    found.setdefault(table, set()).add(key)
        return found

    def _arrived(self, name: str) -> Iterator[tuple[str, Arrival]]:
        asked = {key: Asked(1, 0.0) for table, key in self.asked if table == name}
        for key in watched_keys(self.tables[name], ArrivalBook(asked=asked), self.now):
            file = self.files[name].get(key)
            if file is None or ((name, key) in self.put_at and self.now < self.put_at[name, key] + SETTLE):
                continue
            made = self.books.made(name, [key]).get(key)
            changed = made is None or made.sources["file"] != file.token
            yield key, Arrival(file.token, changed, key in asked)

    def _asked(self, name: str) -> Iterator[tuple[str, Arrival]]:
        for (table, key), number in self.asked.items():
            if table == name:
                yield key, Arrival(f"asked-{number}", asked=True)

    # When the next thing can happen.

    def _pass(self, moment: datetime) -> None:
        """Let time pass until a moment, and what is due by then happen."""
        while self._agenda and self._agenda[0][0] <= moment:
            when, *_, action = heapq.heappop(self._agenda)
            self.now = max(self.now, when)
            action()
        self.now = max(self.now, moment)

    def _next(self, busy: bool) -> datetime:
        tick = datetime.fromtimestamp((self.now.timestamp() // 10 + 1) * 10, UTC)
        if busy:
            return tick
        coming = [self.now + IDLE, *(item[0] for item in self._agenda[:1]), *self._ripe()]
        coming += [put + SETTLE for put in list(self.put_at.values())[-50:]]
        if self.decision is not None:
            coming += [held.until for held in self.decision.held.values() if held.until is not None]
            if any(held.hold in (Hold.MODEL, Hold.WINDOW) for held in self.decision.held.values()):
                needed = {name: self.decision.owed.get(name, {}) for name in self.tables}
                coming += latest_starts(in_order(list(self.tables.values())), needed, self.facts()).values()
        first = min(moment for moment in coming if moment > self.now)
        seconds = -(-first.timestamp() // 10) * 10
        return max(tick, datetime.fromtimestamp(seconds, UTC))

    def _ripe(self) -> Iterator[datetime]:
        """When the next partition of each table can be made."""
        for table in self.tables.values():
            if table.calendar is not None:
                following = table.calendar.shift(table.newest(self.now), 1)
                exists = table.calendar.start_of(table.calendar.shift(following, 1 - table.calendar.ahead))
                ready = table.ready.after(table.calendar.start_of(following))
                yield max(ready.astimezone(UTC), exists.astimezone(UTC))

    # What became of it.

    def outdated(self, table: str) -> list[str]:
        """The partitions within the lookback that are there, and were made from what has changed since."""
        scheduled = self.tables[table]
        keys = scheduled.within(scheduled.rules.lookback, self.now)
        facts = self.facts()
        return [key for key, made in self.books.made(table, keys).items() if change(scheduled, key, made, facts)]
