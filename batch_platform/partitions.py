"""Cadences, windows and time zones: which partitions a table has, and what they are called.

Belongs here: the calendar of a single table. Does not belong here: which partitions of one table another may
read (`timelines.py`), or anything that reads a table.

The calendar itself is Dagster's: keys and windows are those of its `TimeWindowPartitionsDefinition`, so that a
key means the same in the UI, in a file path and in SQL. Dagster is imported only when a calendar is asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from batch_platform.errors import ConfigurationError, PartitionKeyError

if TYPE_CHECKING:
    import dagster as dg

PARTITION_COLUMN = "partition_key"


class Cadence(StrEnum):
    """How often a table gets a new partition."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


_CRON = {
    Cadence.HOURLY: "0 * * * *",
    Cadence.DAILY: "0 0 * * *",
    Cadence.WEEKLY: "0 0 * * 0",
    Cadence.MONTHLY: "0 0 1 * *",
}
_KEY_FORMAT = {Cadence.HOURLY: "%Y-%m-%d-%H:%M"}
_TYPICAL = {
    Cadence.HOURLY: timedelta(hours=1),
    Cadence.DAILY: timedelta(days=1),
    Cadence.WEEKLY: timedelta(weeks=1),
    Cadence.MONTHLY: timedelta(days=30),
}


@dataclass(frozen=True)
class Window:
    """The half-open stretch of time `[start, end)` that one partition covers; both time-zone aware."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Offset:
    """A moment relative to a partition's start on the wall clock, such as `-1d 18:00` or `6h`.

    `days` moves the date, `clock` replaces the time of day where it is given, and `hours` is added to what
    results. Wall-clock arithmetic keeps `-1d 18:00` at six in the evening across clock changes.
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
        local = start.replace(tzinfo=None) + timedelta(days=self.days)
        if self.clock is not None:
            local = datetime.combine(local.date(), self.clock)
        return (local + timedelta(hours=self.hours)).replace(tzinfo=start.tzinfo)


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
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ConfigurationError(
                f"unknown time zone {self.timezone!r}", fix="use an IANA name such as America/New_York or UTC"
            ) from error
        if _naive(self.start, self.key_format) is None:
            raise ConfigurationError(
                f"start {self.start!r} is not of the form {self.key_format}", fix="quote it in the YAML"
            )
        if self.cadence is Cadence.HOURLY and self.timezone != "UTC":
            raise ConfigurationError(
                f"hourly partitions in {self.timezone} would repeat an hour every autumn", fix="use timezone: UTC"
            )
        if self.ahead < 0:
            raise ConfigurationError(f"ahead is {self.ahead}", fix="use 0 or more partitions")

    @property
    def key_format(self) -> str:
        """The strftime format of this cadence's partition keys."""
        return _KEY_FORMAT.get(self.cadence, "%Y-%m-%d")

    @cached_property
    def first(self) -> str:
        """The key of the first partition: the first that begins at `start` or later."""
        key = self.key_at(self.start_of(self.start))
        return key if key >= self.start else self.shift(key, 1)

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
        if _naive(key, self.key_format) is None:
            raise PartitionKeyError(f"{shown} is not a {self.cadence} partition key", fix=f"use the form {self.first}")
        try:
            window = self.definition.time_window_for_partition_key(key)
        except (OverflowError, ValueError) as error:
            raise PartitionKeyError(f"{shown} lies beyond the calendar", fix="use a year before 9999") from error
        start, end = window.start, window.end
        if start.strftime(self.key_format) != key:
            raise PartitionKeyError(f"no {self.cadence} partition starts at {shown}", fix=f"such as {self.first}")
        if key < self.start:
            raise PartitionKeyError(f"{shown} lies before the first partition {self.start}")
        zone = ZoneInfo(self.timezone)
        return Window(start.astimezone(zone), end.astimezone(zone))

    def key_at(self, moment: datetime) -> str:
        """The key of the partition whose window contains `moment` (which may lie before `start`)."""
        local = moment.astimezone(ZoneInfo(self.timezone)).replace(minute=0, second=0, microsecond=0)
        if self.cadence is not Cadence.HOURLY:
            local = local.replace(hour=0)
        if self.cadence is Cadence.WEEKLY:
            local -= timedelta(days=(local.weekday() + 1) % 7)
        if self.cadence is Cadence.MONTHLY:
            local = local.replace(day=1)
        return local.strftime(self.key_format)

    def shift(self, key: str, steps: int) -> str:
        """The key `steps` partitions later (earlier if negative), which may lie before `start`."""
        naive = datetime.strptime(key, self.key_format)
        if self.cadence is Cadence.MONTHLY:
            months = naive.year * 12 + naive.month - 1 + steps
            return naive.replace(year=months // 12, month=months % 12 + 1).strftime(self.key_format)
        return (naive + steps * _TYPICAL[self.cadence]).strftime(self.key_format)

    def keys_between(self, first: str, last: str) -> list[str]:
        """All keys from `first` to `last`, both included; empty when `last` comes before `first`."""
        keys, key = [], first
        while key <= last:
            keys.append(key)
            key = self.shift(key, 1)
        return keys

    def latest(self, now: datetime) -> str:
        """The newest partition that exists at `now`, `ahead` counted in."""
        return self.shift(self.key_at(now), self.ahead - 1)

    def start_of(self, key: str) -> datetime:
        """The moment a partition begins; unlike `window` it knows partitions before `start`, too."""
        return datetime.strptime(key, self.key_format).replace(tzinfo=ZoneInfo(self.timezone))


def stretch_mapping(first: int, last: int) -> dg.TimeWindowPartitionMapping:
    """Dagster's mapping of a partition onto the input partitions from `first` to `last` before it, in its own steps.

    Those before the input's start do not exist; that must not make the first partitions impossible.
    """
    import dagster as dg

    return dg.TimeWindowPartitionMapping(
        start_offset=-first, end_offset=-last, allow_nonexistent_upstream_partitions=True
    )


def _naive(key: str, form: str) -> datetime | None:
    """The moment that a key spells, None unless it is spelled in full: `2025-1-7` is no key."""
    try:
        moment = datetime.strptime(key, form)
    except ValueError:
        return None
    return moment if moment.strftime(form) == key else None
