"""Moments told relative to the start of a partition: when a table is known, when a decision is made.

Belongs here: the notation and its arithmetic. Does not belong here: partitions (`calendar.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from batch_platform.errors import ConfigurationError


@dataclass(frozen=True)
class Offset:
    """A moment relative to a partition's start on the wall clock, such as `-1d 18:00` or `6h`.

    `days` moves the date and `clock`, where it is given, replaces the time of day, both on the wall clock: `-1d 18:00`
    stays at six in the evening across clock changes. `hours` are hours of real time, added to what results. A time of
    day that comes twice means the first, one that is skipped means as much later as the clock is set forward.
    """

    text: str
    days: int = 0
    hours: int = 0
    clock: time | None = None

    _PATTERN = re.compile(
        r"^(?:(?P<days>[+-]?\d+)d)?\s*(?:(?P<hours>[+-]?\d+)h)?\s*(?:(?P<clock>\d{1,2}:\d{2}))?$", re.ASCII
    )

    @classmethod
    def parse(cls, text: str) -> Offset:
        """Read `-1d 18:00`, `+1d`, `6h` or `06:00`; raises ConfigurationError on anything else."""
        match = cls._PATTERN.match(text.strip())
        if not text.strip() or match is None:
            raise ConfigurationError(f"{text!r} is not an offset", fix="write it like '-1d 18:00', '+1d' or '6h'")
        try:
            clock = time.fromisoformat(match["clock"].zfill(5)) if match["clock"] else None
        except ValueError as error:
            raise ConfigurationError(f"{text!r} has no such time of day", fix="use 00:00 to 23:59") from error
        return cls(text.strip(), int(match["days"] or 0), int(match["hours"] or 0), clock)

    def after(self, start: datetime) -> datetime:
        """The moment this far from `start`, in `start`'s own time zone."""
        moment = start
        if self.days or self.clock is not None:
            local = start.replace(tzinfo=None, fold=0) + timedelta(days=self.days)
            if self.clock is not None:
                local = datetime.combine(local.date(), self.clock)
            moment = local.replace(tzinfo=start.tzinfo)
        if not self.hours:
            return moment
        if moment.tzinfo is None:
            return moment + timedelta(hours=self.hours)
        return (moment.astimezone(UTC) + timedelta(hours=self.hours)).astimezone(moment.tzinfo)

    def before(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """About the latest start in `zone` that lies this far before `moment`: right but for clock changes."""
        local = (moment.astimezone(UTC) - timedelta(hours=self.hours)).astimezone(zone)
        day = timedelta(days=self.days)
        if self.clock is None:
            return local - day
        day += timedelta(days=local.time() < self.clock)
        return datetime.combine(local.date() - day, time(23, 59), zone)
