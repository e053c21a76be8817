"""How far back a reader looks: a number of the input's partitions, or a stretch of time.

Belongs here: the notation, and the oldest partition that it reaches. Does not belong here: which partition is the
newest one known (`lags.py`).
"""

from __future__ import annotations

import calendar as months
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence, Calendar

_TEXT = re.compile(r"(\d{1,7})\s*(hour|day|week|month)s?", re.ASCII)
_HOURS = {"hour": 1, "day": 24, "week": 168, "month": 672}  # of a month the fewest
_LENGTH = {Cadence.HOURLY: 1, Cadence.DAILY: 24, Cadence.WEEKLY: 168, Cadence.MONTHLY: 744}  # of a month the most
_UNIT = {Cadence.HOURLY: "hour", Cadence.DAILY: "day", Cadence.WEEKLY: "week", Cadence.MONTHLY: "month"}
_LONGEST = 100 * 366 * 24


@dataclass(frozen=True)
class Lookback:
    """The input's newest known partition and those before it.

    Args:
        count: how many `unit`s; 1 or more.
        unit: empty for the input's own partitions; else `hour`, `day`, `week` or `month`: then all partitions that
            begin within that much time on the wall clock before the end of the newest known one.
    """

    count: int
    unit: str = ""

    @classmethod
    def parse(cls, value: int | str, cadence: Cadence, table: str, field: str = "lookback") -> Lookback:
        """Read `28`, `'28 days'`, `'6 hours'`, `'4 weeks'` or `'2 months'` for an input of this cadence.

        A stretch that always holds equally many partitions becomes their number. `table` and `field` name it in errors.

        Raises:
            ConfigurationError: the text is none of these, or the stretch holds no partition or more than a century.
        """
        place = f"{field} of {table} is {value!r}"
        example = f"such as 7, or '7 {_UNIT[cadence]}s'"
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ConfigurationError(place, fix=f"use a number of partitions or a time, {example}")
        match = _TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
        if isinstance(value, str) and match is None:
            raise ConfigurationError(place, fix=f"use a number of hours, days, weeks or months, {example}")
        count, unit = (int(match[1]), match[2]) if match else (int(value), _UNIT[cadence])
        if count < 1:
            raise ConfigurationError(place, fix=f"use 1 or more {'' if match is None else unit + 's'}".rstrip())
        if count * _HOURS[unit] > _LONGEST:
            raise ConfigurationError(f"{place}, more than a century", fix=f"use less, {example}")
        if unit == _UNIT[cadence]:
            return cls(count)
        if count * _HOURS[unit] < _LENGTH[cadence]:
            raise ConfigurationError(
                f"{place}, which may be shorter than one of its {cadence} partitions",
                fix=f"use 1 or more {_UNIT[cadence]}s",
            )
        if cadence in (Cadence.DAILY, Cadence.WEEKLY) and unit != "month":
            return cls(count * _HOURS[unit] // _LENGTH[cadence])
        return cls(count, unit)

    def oldest(self, calendar: Calendar, newest: str) -> str:
        """The first partition that is read where `newest` is the last."""
        if not self.unit:
            return calendar.shift(newest, 1 - self.count)
        end = calendar.start_of(calendar.shift(newest, 1)).replace(tzinfo=None, fold=0)
        begin = _months_before(end, self.count) if self.unit == "month" else end - self.count * _length(self.unit)
        return calendar.key_from(begin.replace(tzinfo=calendar.zone))

    @property
    def days(self) -> float:
        """About how many days a stretch of time is long; 0 for a number of partitions."""
        return self.count * _HOURS[self.unit] / 24 if self.unit else 0


def _length(unit: str) -> timedelta:
    return timedelta(hours=_HOURS[unit])


def _months_before(moment: datetime, count: int) -> datetime:
    """The same day `count` months earlier, or the last one of a month that is too short."""
    number = moment.year * 12 + moment.month - 1 - count
    year, month = number // 12, number % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, months.monthrange(year, month)[1]))
