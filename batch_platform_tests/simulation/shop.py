"""The deployment that is simulated: a shop's tables of every cadence and kind, declared as the components declare them.

Orders of a day arrive at 02:00 of the next. Customers are known for a day at 03:00 of that day, from the 28 newest days
of orders and a register. A model of each month learns from the 28 days of customers before it. Every day all
customers are scored, due at 06:00. A report follows each week; clicks come by the hour and are counted by the day.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.schedules.rules import RerunOn, Rules
from batch_platform.schedules.scheduled import Input, Role, Scheduled
from batch_platform.schedules.slo import Slo
from batch_platform.timelines.reading import Timeline, reading

ORDERS, CLICKS, REGISTER = "snapshots/orders", "snapshots/clicks", "snapshots/register"
CUSTOMERS, CLICK_DAYS, REPORT = "features/customers", "features/click_days", "features/report"
MODEL, SCORES = "models/churn", "predictions/churn"
LEARNED = 28


@dataclass(frozen=True)
class Shop:
    """What can be declared otherwise.

    Args:
        zone: the time zone of all tables.
        start: the first day of all tables.
        due: by when scores must be there, relative to their day.
        window: the batch window of customers and scores.
        rerun_on: the changes after which customers and scores are made again.
        lookback: how far back daily partitions are made again.
        horizon: how far back missing daily partitions are made.
        attempts: how often a partition is tried.
        clicks: whether there is the table of hours, and the one that is made from it.
    """

    zone: str = "Europe/Berlin"
    start: str = "2025-01-01"
    due: str = "06:00"
    window: str = ""
    rerun_on: tuple[RerunOn, ...] = (RerunOn.INPUTS,)
    lookback: str | None = None
    horizon: str | None = None
    attempts: int = 4
    clicks: bool = False

    def tables(self) -> dict[str, Scheduled]:
        """All tables, by name."""
        clicks = self._clicks() if self.clicks else []
        found = [*clicks, *self._captured(), *self._features(), self._model(), self._scores()]
        return {table.table: replace(table, pipeline="shop", owners=("team:shop",)) for table in found}

    def daily(self, *, ahead: int = 0) -> Calendar:
        return Calendar(Cadence.DAILY, self.start, self.zone, ahead)

    @property
    def hours(self) -> Calendar:
        return Calendar(Cadence.HOURLY, f"{self.start}-00:00", self.zone)

    @property
    def months(self) -> Calendar:
        return Calendar(Cadence.MONTHLY, self._learned_from(), self.zone, 1)

    def _rules(self, calendar: Calendar | None, *, derived: bool = False) -> Rules:
        cadence = calendar.cadence if calendar else Cadence.DAILY
        if not derived:
            daily = cadence is Cadence.DAILY
            horizon, lookback = (self.horizon, self.lookback) if daily else (None, None)
            return Rules.declared(cadence, "the shop", horizon=horizon, lookback=lookback, attempts=self.attempts)
        return Rules.declared(
            cadence,
            "the shop",
            horizon=self.horizon,
            lookback=self.lookback,
            rerun_on=self.rerun_on,
            attempts=self.attempts,
            window=self.window,
        )

    def _captured(self) -> list[Scheduled]:
        orders = self.daily()
        return [
            Scheduled(ORDERS, orders, Offset.parse("+1d 02:00"), self._rules(orders), source=True),
            Scheduled(REGISTER, None, Offset.parse("0d"), self._rules(None), source=True),
        ]

    def _clicks(self) -> list[Scheduled]:
        hours, days, known = self.hours, self.daily(), Offset.parse("+1d 01:30")
        hourly = reading(Timeline(CLICKS, hours, Offset.parse("1h")), None, days, known)
        inputs = (Input(CLICKS, cache(hourly.keys)),)
        return [
            Scheduled(CLICKS, hours, Offset.parse("1h"), self._rules(hours), source=True),
            Scheduled(CLICK_DAYS, days, known, self._rules(days), inputs=inputs, code="v1"),
        ]

    def _features(self) -> list[Scheduled]:
        orders = Timeline(ORDERS, self.daily(), Offset.parse("+1d 02:00"))
        scores = Timeline(SCORES, self.daily(ahead=1), Offset.parse("03:00"))
        today, known = self.daily(ahead=1), Offset.parse("03:00")
        weeks = Calendar(Cadence.WEEKLY, self.start, self.zone)
        past = reading(orders, LEARNED, today, known)
        weekly = reading(scores, None, weeks, Offset.parse("+7d 07:00"))
        return [
            Scheduled(
                CUSTOMERS,
                today,
                known,
                self._rules(today, derived=True),
                inputs=(Input(ORDERS, cache(past.keys)), Input(REGISTER, lambda _: [""], Role.UNDATED)),
                code="v1",
            ),
            Scheduled(
                REPORT,
                weeks,
                Offset.parse("+7d 07:00"),
                self._rules(weeks),
                inputs=(Input(SCORES, cache(weekly.keys)),),
                code="v1",
            ),
        ]

    def _model(self) -> Scheduled:
        months, days = self.months, self.daily(ahead=1)

        @cache
        def learned(month: str) -> list[str]:
            return days.keys_between(days.shift(month, -LEARNED), days.shift(month, -1))

        return Scheduled(
            MODEL,
            months,
            Offset.parse("0d"),
            Rules.declared(Cadence.MONTHLY, "the shop", rerun_on=(), attempts=self.attempts),
            inputs=(Input(CUSTOMERS, learned),),
            held=lambda _: {},
        )

    def _scores(self) -> Scheduled:
        today, months, known = self.daily(ahead=1), self.months, Offset.parse("03:00")
        inputs = (
            Input(CUSTOMERS, lambda key: [key]),
            Input(MODEL, lambda key: [months.key_at(known.after(today.start_of(key)))], Role.MODEL),
        )
        return Scheduled(
            SCORES,
            today,
            known,
            self._rules(today, derived=True),
            inputs=inputs,
            slo=Slo(Offset.parse(self.due), critical=True),
            code="v1",
            serving=lambda _: lambda key: None,
        )

    def _learned_from(self) -> str:
        """The first month with enough days of customers before it."""
        days = self.daily()
        first = Calendar(Cadence.MONTHLY, self.start, self.zone)
        return first.key_from(days.start_of(days.shift(days.first, LEARNED)))
