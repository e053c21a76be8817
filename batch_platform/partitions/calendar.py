"""Cadences, windows and time zones: which partitions a table has, and what they are called.

Belongs here: the calendar of a single table. Does not belong here: which partitions of one table another may
read (`timelines/`), or anything that reads a table.

Keys and windows are exactly those of Dagster's `TimeWindowPartitionsDefinition`, so that a key means the same in the
UI, in a file path and in SQL; and keys stand in the order of time when they are sorted as text. Where the clock is set
back, the second of two equal hours carries its distance from UTC: `2025-11-02-01:00` and `2025-11-02-01:00-0500`.
Moments of one zone are compared by `timestamp()`: Python compares their wall clocks, which repeat an hour.

Dagster is imported only when its own object is asked for.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from batch_platform.errors import ConfigurationError, PartitionKeyError
from batch_platform.partitions.clock_changes import HOUR, refuse_uneven_hours, zone_named

if TYPE_CHECKING:
    import dagster as dg

PARTITION_COLUMN = "partition_key"


class Cadence(StrEnum):
    """How often a table gets a new partition, from the finest to the coarsest."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"

    def finer_than(self, other: Cadence) -> bool:
        """Whether it comes more often than `other`."""
        order = list(Cadence)
        return order.index(self) < order.index(other)


_CRON = {
    Cadence.HOURLY: "0 * * * *",
    Cadence.DAILY: "0 0 * * *",
    Cadence.WEEKLY: "0 0 * * 0",
    Cadence.MONTHLY: "0 0 1 * *",
}
_DAYS = {Cadence.DAILY: 1, Cadence.WEEKLY: 7}


@dataclass(frozen=True)
class Window:
    """The half-open stretch of time `[start, end)` that one partition covers; both time-zone aware."""

    start: datetime
    end: datetime


_MIDNIGHT = datetime(1970, 1, 1, tzinfo=UTC)
_DATE_KEY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_HOUR_KEY = re.compile(r"\d{4}-\d\d-\d\d-\d\d:\d\d([+-]\d{4})?", re.ASCII)


@dataclass(frozen=True)
class Calendar:
    """The partitions of one table: a cadence from a start date on, in one time zone.

    `ahead` counts the partitions that exist before their window has ended: 0 stops at the last complete one,
    1 adds the current one (today), 2 the next (tomorrow).
    """

    cadence: Cadence
    start: str
    timezone: str = "UTC"
    ahead: int = 0

    def __post_init__(self) -> None:
        zone_named(self.timezone)
        if not self._well_formed(self.start):
            raise ConfigurationError(
                f"start {self.start!r} is not of the form {self.key_format}", fix="quote it in the YAML"
            )
        if self.ahead < 0:
            raise ConfigurationError(f"ahead is {self.ahead}", fix="use 0 or more partitions")
        if self.cadence is Cadence.HOURLY:
            refuse_uneven_hours(self.timezone, int(self.start[:4]))

    @property
    def key_format(self) -> str:
        """The strftime format of this cadence's partition keys."""
        return "%Y-%m-%d-%H:%M" if self.cadence is Cadence.HOURLY else "%Y-%m-%d"

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone itself."""
        return zone_named(self.timezone)

    @cached_property
    def first(self) -> str:
        """The key of the first partition: the first that begins at `start` or later."""
        return self.key_from(self.start_of(self.start))

    @cached_property
    def definition(self) -> dg.TimeWindowPartitionsDefinition:
        """The same calendar as Dagster's own object."""
        import dagster as dg

        return dg.TimeWindowPartitionsDefinition(
            start=self.start,
            fmt=self.key_format,
            timezone=self.timezone,
            cron_schedule=_CRON[self.cadence],
            end_offset=self.ahead,
        )

    def window(self, key: str) -> Window:
        """The window of a partition.

        Raises:
            PartitionKeyError: the key is malformed, or no partition of this cadence starts there.
        """
        shown = repr(key[:40])
        if not self._well_formed(key):
            raise PartitionKeyError(f"{shown} is not a {self.cadence} partition key", fix=f"use the form {self.first}")
        try:
            start = self.start_of(key).astimezone(UTC)
            if self.key_at(start) != key:
                raise PartitionKeyError(f"no {self.cadence} partition starts at {shown}", fix=f"such as {self.first}")
            end = self.start_of(self.shift(key, 1)).astimezone(UTC)
        except (OverflowError, ValueError) as error:
            raise PartitionKeyError(f"{shown} lies beyond the calendar", fix="use a year before 9999") from error
        if key < self.first:
            raise PartitionKeyError(f"{shown} lies before the first partition {self.first}")
        return Window(start.astimezone(self.zone), end.astimezone(self.zone))

    def key_at(self, moment: datetime) -> str:
        """The key of the partition whose window contains `moment` (which may lie before `start`)."""
        moment = moment.astimezone(UTC)
        local = moment.astimezone(self.zone)
        if self.cadence is Cadence.HOURLY:
            into = (local.replace(tzinfo=UTC) - _MIDNIGHT) % HOUR
            return _hour((moment - into).astimezone(self.zone))
        day = local.date()
        if self.cadence is Cadence.WEEKLY:
            day -= timedelta(days=day.isoweekday() % 7)
        if self.cadence is Cadence.MONTHLY:
            day = day.replace(day=1)
        return day.isoformat()

    def key_from(self, moment: datetime) -> str:
        """The key of the first partition that begins at `moment` or later."""
        key = self.key_at(moment)
        return key if self.start_of(key).timestamp() >= moment.timestamp() else self.shift(key, 1)

    def shift(self, key: str, steps: int) -> str:
        """The key `steps` partitions later (earlier if negative), which may lie before `start`."""
        if self.cadence is Cadence.HOURLY:
            return _hour((self.start_of(key).astimezone(UTC) + steps * HOUR).astimezone(self.zone))
        day = date.fromisoformat(key)
        if self.cadence is Cadence.MONTHLY:
            months = day.year * 12 + day.month - 1 + steps
            return date(months // 12, months % 12 + 1, 1).isoformat()
        return (day + timedelta(days=steps * _DAYS[self.cadence])).isoformat()

    def steps(self, first: str, last: str) -> int:
        """How many partitions `last` comes after `first`; negative when it comes before: the inverse of `shift`."""
        if self.cadence is Cadence.HOURLY:
            return round((self.start_of(last).timestamp() - self.start_of(first).timestamp()) / 3600)
        one, two = date.fromisoformat(first), date.fromisoformat(last)
        if self.cadence is Cadence.MONTHLY:
            return (two.year - one.year) * 12 + two.month - one.month
        return (two - one).days // _DAYS[self.cadence]

    def keys_between(self, first: str, last: str) -> list[str]:
        """All keys from `first` to `last`, both included; empty when `last` comes before `first`."""
        if first > last:
            return []
        if self.cadence is not Cadence.HOURLY:
            return [self.shift(first, step) for step in range(self.steps(first, last) + 1)]
        begin, end = (date.fromisoformat(key[:10]) for key in (first, last))
        days = (begin + timedelta(days=step) for step in range((end - begin).days + 1))
        keys = [key for day in days for key in _hours_of(day, self.zone)]
        return keys[bisect_left(keys, first) : bisect_right(keys, last)]

    def latest(self, now: datetime) -> str:
        """The newest partition that exists at `now`, `ahead` counted in."""
        return self.shift(self.key_at(now), self.ahead - 1)

    def start_of(self, key: str) -> datetime:
        """The moment a partition begins; unlike `window` it knows partitions before `start`, too."""
        if self.cadence is not Cadence.HOURLY:
            return datetime.combine(date.fromisoformat(key), time(), self.zone)
        return _hour_start(key, self.zone)

    def _well_formed(self, key: str) -> bool:
        """Whether a text is spelled in full as a key of this cadence is: `2025-1-7` is no key."""
        form = _HOUR_KEY if self.cadence is Cadence.HOURLY else _DATE_KEY
        try:
            return form.fullmatch(key) is not None and self.start_of(key) is not None
        except (ValueError, OverflowError):
            return False


def _hour(local: datetime) -> str:
    """The key of the hour that begins at a moment on the wall clock."""
    key = local.isoformat("-", "minutes")[:16]
    return f"{key}{local:%z}" if local.fold else key


@lru_cache(maxsize=2**12)
def _hours_of(day: date, zone: ZoneInfo) -> tuple[str, ...]:
    """The keys of the hours of one day: 23 to 25 of them."""
    start = datetime.combine(day, time(), zone).astimezone(UTC)
    hours = ((start + step * HOUR).astimezone(zone) for step in range(26))
    return tuple(_hour(local) for local in hours if local.date() == day)


@lru_cache(maxsize=2**14)
def _hour_start(key: str, zone: ZoneInfo) -> datetime:
    moment = datetime.fromisoformat(f"{key[:10]}T{key[11:]}")
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)


def stretch_mapping(first: int, last: int) -> dg.TimeWindowPartitionMapping:
    """Dagster's mapping of a partition onto the input partitions from `first` to `last` before it, in its own steps.

    Those before the input's start do not exist; that must not make the first partitions impossible.
    """
    import dagster as dg

    return dg.TimeWindowPartitionMapping(
        start_offset=-first, end_offset=-last, allow_nonexistent_upstream_partitions=True
    )
