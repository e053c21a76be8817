"""A small deployment without a lake or Dagster: tables of all cadences, what they hold, and running a plan on that.

Belongs here: the tables, the books, and what a run would do to them. Does not belong here: what is expected of a plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime

from batch_platform.lake.digest import combine
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.schedules.facts import Facts, Made, Read
from batch_platform.schedules.rules import Rules
from batch_platform.schedules.scheduled import WHOLE_TABLE, Input, Role, Scheduled, in_order

NOW = datetime(2025, 6, 15, 12, tzinfo=UTC)
DAYS = Calendar(Cadence.DAILY, "2025-01-01", ahead=1)
HOURS = Calendar(Cadence.HOURLY, "2025-03-01-00:00")
WEEKS = Calendar(Cadence.WEEKLY, "2025-01-05")
MONTHS = Calendar(Cadence.MONTHLY, "2025-03-01", ahead=1)
STATIONS, ORDERS, CLICKS = "snapshots/stations", "snapshots/orders", "snapshots/clicks"
FEATURES, WEEKLY, MODEL, PREDICTIONS = "features/orders", "features/weekly", "models/orders", "predictions/orders"


def scheduled(
    table: str, calendar: Calendar | None, ready: str, *inputs: Input, code: str = "", **more: object
) -> Scheduled:
    rules = Rules.declared(calendar.cadence if calendar else Cadence.DAILY, table)
    told = {"pipeline": "orders", "code": code, **more}
    return Scheduled(table, calendar, Offset.parse(ready), rules, inputs=inputs, **told)  # type: ignore[arg-type]


def last_days(count: int) -> Callable[[str], Sequence[str]]:
    """A day and those before it, as far as there are any."""
    return lambda key: DAYS.keys_between(max(DAYS.first, DAYS.shift(key, 1 - count)), key)


def days_of_week(key: str) -> Sequence[str]:
    return DAYS.keys_between(key, DAYS.shift(key, 6))


def two_months_before(key: str) -> Sequence[str]:
    return DAYS.keys_between(MONTHS.shift(key, -2), DAYS.shift(key, -1))


def hours_of(key: str) -> Sequence[str]:
    return [f"{key}-{hour:02}:00" for hour in range(24) if f"{key}-{hour:02}:00" >= HOURS.first]


def tables(code: str = "one") -> tuple[Scheduled, ...]:
    """Hourly clicks and daily orders; daily and weekly features; a monthly model; daily predictions."""
    return (
        scheduled(STATIONS, None, "0d", source=True),
        scheduled(ORDERS, DAYS, "+1d", source=True),
        scheduled(CLICKS, HOURS, "+1h", source=True),
        scheduled(
            FEATURES,
            DAYS,
            "+1d",
            Input(ORDERS, last_days(3)),
            Input(CLICKS, hours_of),
            Input(STATIONS, lambda _: [WHOLE_TABLE], Role.UNDATED),
            code=code,
            beside=("quarantine/orders",),
        ),
        scheduled(WEEKLY, WEEKS, "+7d", Input(FEATURES, days_of_week), code="weekly"),
        scheduled(MODEL, MONTHS, "0d", Input(FEATURES, two_months_before), held=lambda _: {}),
        scheduled(
            PREDICTIONS,
            DAYS,
            "+1d",
            Input(FEATURES, lambda key: [key]),
            Input(MODEL, lambda key: [MONTHS.key_at(DAYS.start_of(key))], Role.MODEL),
            code="outputs",
            serving=lambda _: lambda __: None,
        ),
    )


@dataclass
class Holdings:
    """What the tables hold; `facts.Books`, and the serving version of each prediction."""

    made_of: dict[str, dict[str, Made]] = field(default_factory=dict)
    failed: set[tuple[str, str]] = field(default_factory=set)
    runs: int = 0

    def copy(self) -> Holdings:
        """The same, to be changed without changing these."""
        return Holdings({table: dict(own) for table, own in self.made_of.items()}, set(self.failed), runs=self.runs)

    def live(self, table: str) -> AbstractSet[str]:
        return self.made_of.get(table, {}).keys()

    def made(self, table: str, keys: Iterable[str]) -> dict[str, Made]:
        own = self.made_of.get(table, {})
        return {key: own[key] for key in keys if key in own}

    def stretch(self, table: str, first: str, last: str) -> list[str]:
        own = self.made_of.get(table, {})
        return [own[key].digest for key in sorted(key for key in own if first <= key <= last)]

    def serving(self, table: str, key: str) -> str | None:
        if table != PREDICTIONS:
            return None
        begun = [window for window in self.live(MODEL) if window <= key]
        return self.made_of[MODEL][max(begun)].model if begun else None

    def facts(self, **more: object) -> Facts:
        return Facts(
            NOW,
            self,
            blocked=lambda table, key: "produced" if (table, key) in self.failed else None,
            serving=self.serving,
            **more,  # type: ignore[arg-type]
        )

    def make(self, table: Scheduled, key: str) -> bool:
        """Run one partition; whether it is there then."""
        name = table.table
        inputs = [read for read in table.inputs if read.role is not Role.MODEL]
        lacking = any(own not in self.live(read.table) for read in inputs for own in read.keys(key))
        version = self.serving(name, key) if table.serving is not None else ""
        if lacking or version is None:
            self.failed.add((name, key))
            return False
        self.runs += 1
        reads = {}
        for read in inputs:
            keys = read.keys(key)
            if keys:
                undated = read.role is Role.UNDATED
                seen = self.stretch(read.table, keys[0], keys[-1])
                reads[read.table] = Read(None if undated else (keys[0], keys[-1]), combine(seen))
        content = combine([name, key, table.code, version, *(read.digest for read in reads.values())])
        digest = combine([content, str(self.runs)]) if table.source else content
        number = str(self.runs) if table.held is not None else version
        made = Made(digest, reads, code=table.code, model=number, rows=100, seconds=2.0, dollars=0.001)
        self.made_of.setdefault(name, {})[key] = made
        self.failed.discard((name, key))
        return True

    def run(self, everything: Sequence[Scheduled], making: Mapping[str, Sequence[str]]) -> set[tuple[str, str]]:
        """Run what a plan makes, in order; what failed."""
        return {
            (table.table, key)
            for table in in_order(everything)
            for key in making.get(table.table, ())
            if not self.make(table, key)
        }
