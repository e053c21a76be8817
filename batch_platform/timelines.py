"""What is known when: which partitions of an input a partition of its reader may see.

Belongs here: lags, lookbacks and Dagster's partition mappings, all derived from `available` and `known_at`. Does
not belong here: the calendar of a single table (`partitions.py`), or anything that reads a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence, Calendar, Offset, stretch_mapping

if TYPE_CHECKING:
    import dagster as dg


@dataclass(frozen=True)
class Timeline:
    """When the partitions of a table exist, and when each is known.

    Args:
        table: the table's name in the lake.
        calendar: its partitions; None for a table without, which is known at any time.
        available: when a partition is known, relative to its start.
    """

    table: str
    calendar: Calendar | None
    available: Offset | None


@dataclass(frozen=True)
class Reading:
    """Which partitions of an input a partition of the reader may see: a constant stretch of the calendar.

    `first` and `last` are distances back from the reader's own partition: `(0, 0)` is the partition of the same
    key, `(29, 2)` the 28 partitions from 29 to 2 before it. For a table without partitions both are None.
    """

    timeline: Timeline
    first: int | None = None
    last: int | None = None

    def keys(self, own: str) -> list[str]:
        """The input partitions that the reader's partition `own` may see; those before the start do not exist."""
        calendar = self.timeline.calendar
        if calendar is None or self.first is None or self.last is None:
            return [""]
        first, last = calendar.shift(own, -self.first), calendar.shift(own, -self.last)
        return calendar.keys_between(max(first, calendar.first), last)

    def mapping(self) -> dg.PartitionMapping | None:
        """The same stretch as Dagster's partition mapping."""
        if self.first is None or self.last is None:
            return None
        return stretch_mapping(self.first, self.last)


def reading(timeline: Timeline, lookback: int | None, reader: Calendar, known_at: Offset) -> Reading:
    """What a reader that decides at `known_at` may see of an input.

    Without a lookback it sees the partition of its own key, which must be known by then. With a lookback of N it
    sees the N newest partitions that are.

    Raises:
        ConfigurationError: the input's own partition is known only after the decision time, or the cadences or time
            zones differ.
    """
    if timeline.calendar is None or timeline.available is None:
        return Reading(timeline)
    if timeline.calendar.timezone != reader.timezone:
        raise ConfigurationError(
            f"{timeline.table} has partitions in {timeline.calendar.timezone}, its reader in {reader.timezone}",
            fix="give both one time zone",
        )
    distance = lag(timeline.calendar, timeline.available, reader, known_at)
    if lookback is None:
        if distance > 0:
            raise ConfigurationError(
                f"{timeline.table} is known at {timeline.available.text!r}, after the decision time {known_at.text!r}: "
                "reading it would look into the future",
                fix=f"give it a lookback in config(), or move known_at; the newest it knows lies {distance} back",
            )
        return Reading(timeline, 0, 0)
    if lookback < 1:
        raise ConfigurationError(f"lookback of {timeline.table} is {lookback}", fix="use 1 or more partitions")
    newest = max(distance, 0)
    return Reading(timeline, newest + lookback - 1, newest)


def newest_known(calendar: Calendar, available: Offset, decision: datetime) -> str:
    """The newest partition of `calendar` that is available at the moment `decision`."""
    # Two days of slack cover what `clock` and clock changes can move a moment, one partition what `key_at` rounds off.
    early = decision - timedelta(days=available.days - 2, hours=available.hours)
    key = calendar.shift(calendar.key_at(early), 1)
    while available.after(calendar.start_of(key)) > decision:
        key = calendar.shift(key, -1)
    return key


def lag(calendar: Calendar, available: Offset, reader: Calendar, known_at: Offset) -> int:
    """How many partitions the newest known input lies behind the reader's own partition.

    The largest lag over more than a year of partitions: it is one constant, so that training, serving and
    Dagster's partition mapping all read the same distance, in any season and on both sides of a clock change.
    Zero or negative means that the input of the same partition is known at the decision time.

    Raises:
        ConfigurationError: the two cadences differ.
    """
    if calendar.cadence is not reader.cadence:
        raise ConfigurationError(
            f"a {reader.cadence} table cannot read {calendar.cadence} partitions", fix="give both one cadence"
        )
    widest = -(10**6)
    key = reader.first
    for step in range(0, 400 if reader.cadence is not Cadence.HOURLY else 60):
        own = reader.shift(key, step)
        known = newest_known(calendar, available, known_at.after(reader.start_of(own)))
        distance = 0
        while calendar.shift(known, distance) < own:
            distance += 1
        while calendar.shift(known, distance) > own:
            distance -= 1
        widest = max(widest, distance)
    return widest
