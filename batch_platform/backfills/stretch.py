"""The stretch of time that a backfill is about: `2025-01-01..2025-12-31`, `2025-01`, `last 30 days`, a partition's key.

A partition belongs to a stretch if it begins in it. So each partition belongs to exactly one of two stretches that
adjoin, whatever its cadence, and a partition's key names that partition.

Belongs here: the notation, and the partitions of one calendar. Does not belong here: which tables (`choice.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence, Calendar

_PIECE = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)(-(?P<hour>\d\d):00(?P<later>[+-]\d{4})?)?)?)?", re.ASCII
)
_LAST = re.compile(r"last (?P<count>\d{1,5}) (?P<unit>hour|day|week|month)s?", re.ASCII)
_UNIT = {"hour": Cadence.HOURLY, "day": Cadence.DAILY, "week": Cadence.WEEKLY, "month": Cadence.MONTHLY}
_EXAMPLES = "write it like 2025-01-01..2025-12-31, 2025-01, 2025, 'last 30 days', or a partition's key"


@dataclass(frozen=True)
class Stretch:
    """A stretch of time on the wall clock, the same in every zone.

    Args:
        text: as it was written.
        start: where it begins; without a zone.
        end: where it ends, which does not belong to it; without a zone.
        count: for `last 30 days`, how many; then `start` and `end` mean nothing, since today depends on the zone.
        unit: of what.
    """

    text: str
    start: datetime = datetime.min
    end: datetime = datetime.min
    count: int = 0
    unit: Cadence = Cadence.DAILY

    @classmethod
    def parse(cls, text: str) -> Stretch:
        """Read a stretch.

        Raises:
            ConfigurationError: it is none, or ends before it begins.
        """
        text = " ".join(text.split())
        last = _LAST.fullmatch(text)
        if last is not None:
            if int(last["count"]) < 1:
                raise ConfigurationError(f"the range {text!r} is empty", fix="use 1 or more")
            return cls(text, count=int(last["count"]), unit=_UNIT[last["unit"]])
        first, dots, then = (part.strip() for part in text.partition(".."))
        start, end = _piece(first, text)
        if dots:
            end = _piece(then, text)[1]
        if end <= start:
            raise ConfigurationError(f"the range {text[:60]!r} ends before it begins", fix="give the earlier end first")
        return cls(text, start, end)

    def keys(self, calendar: Calendar, now: datetime) -> list[str]:
        """The partitions of a calendar that begin in the stretch, oldest first.

        Args:
            calendar: the partitions.
            now: the moment from which `last 30 days` counts back: they end with today.
        """
        if self.count:
            clock = Calendar(self.unit, "2000-01-02" if self.unit is Cadence.WEEKLY else _origin(self.unit))
            own = clock.key_at(now.astimezone(calendar.zone).replace(tzinfo=clock.zone))
            start, end = (clock.start_of(clock.shift(own, step)) for step in (1 - self.count, 1))
        else:
            start, end = self.start, self.end
        first = calendar.key_from(start.replace(tzinfo=calendar.zone))
        last = calendar.shift(calendar.key_from(end.replace(tzinfo=calendar.zone)), -1)
        return calendar.keys_between(max(first, calendar.first), last)

    def __str__(self) -> str:
        return self.text


def _origin(unit: Cadence) -> str:
    return "2000-01-01-00:00" if unit is Cadence.HOURLY else "2000-01-01"


def _piece(text: str, whole: str) -> tuple[datetime, datetime]:
    """The stretch that a date, a month, a year or an hour stands for."""
    match = _PIECE.fullmatch(text)
    if match is None:
        raise ConfigurationError(f"{whole[:60]!r} is no range", fix=_EXAMPLES)
    year, month, day, hour = (match[name] for name in ("year", "month", "day", "hour"))
    try:
        # The second of two equal hours, where the clock is set back, carries its distance from UTC.
        start = datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), fold=int(bool(match["later"])))
        if hour is not None:
            return start, start.replace(fold=0) + timedelta(hours=1)
        if day is not None:
            return start, start + timedelta(days=1)
        following = start.year * 12 + start.month - 1 + (12 if month is None else 1)
        return start, datetime(following // 12, following % 12 + 1, 1)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(f"{whole[:60]!r} is no range: {error}", fix=_EXAMPLES) from error
