"""Stretches of time that are declared once and come again: nights, weekends, the hours after a cron expression.

A time of day is one of the wall clock. A stretch opens when the clock first shows its beginning and closes when it
last shows its end, so on the night when an hour repeats it is longer, and on the night when one is skipped shorter;
a beginning or an end that is skipped is the moment at which the clock is set forward.

Belongs here: one declared stretch, and when it is. Does not belong here: what may happen in it (`windows.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from batch_platform.errors import ConfigurationError
from batch_platform.partitions.clock_changes import zone_named
from batch_platform.partitions.cron import Cron
from batch_platform.partitions.wall_clock import first_shown, last_shown

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_GROUPS = {"weekdays": DAYS[:5], "weekends": DAYS[5:]}
_DAY = timedelta(days=1)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=366)


class Span(Protocol):
    """A stretch of time that comes once or again and again; all moments are in UTC."""

    def at(self, moment: datetime) -> tuple[datetime, datetime] | None:
        """The stretch in which `moment` lies, from its first moment to the first after it; None: in none.

        Of several that overlap, one that ends last.
        """
        ...

    def after(self, moment: datetime) -> datetime | None:
        """When the next one opens, later than `moment`; None: never again."""
        ...


@dataclass(frozen=True)
class Daily:
    """From one time of day to another, on certain days of the week.

    Args:
        days: on which it opens, 0 for Monday.
        opens: the time of day.
        closes: the time of day; midnight or anything up to `opens` is on the next day.
        zone: whose wall clock it follows.
    """

    days: frozenset[int]
    opens: time
    closes: time
    zone: ZoneInfo

    def at(self, moment: datetime) -> tuple[datetime, datetime] | None:
        """See `Span.at`."""
        today = moment.astimezone(self.zone).date()
        # A clock that is set back over midnight shows yesterday's date again.
        around = (self._of(today + _DAY * step) for step in (-2, -1, 0, 1))
        return max((found for found in around if found and found[0] <= moment < found[1]), default=None)

    def after(self, moment: datetime) -> datetime | None:
        """See `Span.after`."""
        today = moment.astimezone(self.zone).date()
        coming = (self._of(today + _DAY * step) for step in range(-1, 15))
        return next((found[0] for found in coming if found and found[0] > moment), None)

    def _of(self, day: date) -> tuple[datetime, datetime] | None:
        """The stretch that opens on a day; None if there is none, or the clock leaves it out."""
        if day.weekday() not in self.days:
            return None
        until = day if self.closes > self.opens else day + _DAY
        stretch = (
            first_shown(datetime.combine(day, self.opens), self.zone),
            last_shown(datetime.combine(until, self.closes), self.zone),
        )
        return stretch if stretch[0] < stretch[1] else None


@dataclass(frozen=True)
class Struck:
    """A fixed length of real time from each strike of a cron expression."""

    cron: Cron
    lasts: timedelta

    def at(self, moment: datetime) -> tuple[datetime, datetime] | None:
        """See `Span.at`."""
        struck = self.cron.latest_at(moment)
        return (struck, struck + self.lasts) if struck is not None and moment < struck + self.lasts else None

    def after(self, moment: datetime) -> datetime | None:
        """See `Span.after`."""
        return self.cron.first_after(moment)


@dataclass(frozen=True)
class Once:
    """From one date and time to another, in UTC."""

    since: datetime
    until: datetime

    def at(self, moment: datetime) -> tuple[datetime, datetime] | None:
        """See `Span.at`."""
        return (self.since, self.until) if self.since <= moment < self.until else None

    def after(self, moment: datetime) -> datetime | None:
        """See `Span.after`."""
        return self.since if self.since > moment else None


def parse_span(
    where: str,
    *,
    begins: str = "",
    ends: str = "",
    days: str | Sequence[str] = DAYS,
    cron: str = "",
    lasts: str = "",
    timezone: str = "UTC",
) -> Span:
    """Read a declared stretch: `begins` and `ends` as times of day or as dates, or `cron` and `lasts`.

    Args:
        where: names it in errors.
        begins: `22:00`, or `2026-12-24 00:00`.
        ends: `06:00`, `24:00`, or `2026-12-27 00:00`: the first moment that is no longer part of it.
        days: `weekdays`, `weekends` or some of `mon` to `sun`: those on which times of day begin.
        cron: five fields, such as `0 22 * * 1-5`.
        lasts: `90m`, `8h` or `2d` of real time.
        timezone: IANA name of the zone whose wall clock is meant.

    Raises:
        ConfigurationError: an unknown time zone or day, no cron expression, a stretch of no length, or one that is
            told in two ways or in none.
    """
    try:
        zone = zone_named(timezone)
    except ConfigurationError as error:
        raise ConfigurationError(error.what, where=where, fix=error.fix) from error
    if bool(cron) != bool(lasts) or bool(begins) != bool(ends) or bool(cron) == bool(begins):
        fix = "write either 'from' and 'to', or 'cron' and 'lasts'"
        raise ConfigurationError("it is not said when it begins and ends", where=where, fix=fix)
    if cron:
        return Struck(Cron.parse(cron, zone, where), _length(lasts, where))
    dated = "-" in begins
    if not dated and "-" not in ends:
        return _daily(begins, ends, _days(days, where), zone, where)
    since, until = _moment(begins, where), _moment(ends, where)
    if since >= until:
        raise ConfigurationError(f"it ends at {ends}, not after {begins}", where=where, fix="correct the dates")
    once = Once(first_shown(since, zone), last_shown(until, zone))
    if once.since >= once.until:
        raise ConfigurationError(f"the clock of {timezone} skips it", where=where, fix="correct the dates")
    return once


def _daily(begins: str, ends: str, days: frozenset[int], zone: ZoneInfo, where: str) -> Daily:
    opens = _time(begins, where)
    closes = time() if ends == "24:00" else _time(ends, where)
    if opens == closes and ends != "24:00":
        fix = 'for whole days write from: "00:00" and to: "24:00"'
        raise ConfigurationError(f"it begins and ends at {begins}", where=where, fix=fix)
    return Daily(days, opens, closes, zone)


def _time(text: str, where: str) -> time:
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}", text, re.ASCII):
            return time.fromisoformat(text.zfill(5))
    except ValueError:
        pass
    raise ConfigurationError(f"{text!r} is no time of day", where=where, fix="write 00:00 to 23:59, in quotes")


def _moment(text: str, where: str) -> datetime:
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2})?", text, re.ASCII):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise ConfigurationError(f"{text!r} is no date and time", where=where, fix="write it like '2026-12-24 00:00'")


def _length(text: str, where: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,5})([mhd])", text.strip(), re.ASCII)
    found = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta()
    if not timedelta() < found <= _LONGEST:
        fix = "write a number and m, h or d, such as 8h; a year at most"
        raise ConfigurationError(f"{text!r} is no length of time", where=where, fix=fix)
    return found


def _days(declared: str | Sequence[str], where: str) -> frozenset[int]:
    names = [declared] if isinstance(declared, str) else declared
    flat = [day for name in names for day in _GROUPS.get(name, (name,))]
    unknown = next((day for day in flat if day not in DAYS), None)
    if unknown is not None:
        fix = f"use {', '.join(_GROUPS)}, {', '.join(DAYS)}"
        raise ConfigurationError(f"there is no day {unknown!r}", where=where, fix=fix)
    if not flat:
        raise ConfigurationError("it has no days, so it never opens", where=where, fix="name some, or leave days out")
    return frozenset(map(DAYS.index, flat))
