"""What is known when: which partitions of an input a partition of its reader may see.

Belongs here: readings and Dagster's partition mappings, all derived from `available`, `known_at` and the lookback.
Does not belong here: the calendar of a single table (`partitions/`), stretches that vary (`varying.py`), or anything
that reads a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Calendar, Offset, stretch_mapping
from batch_platform.timelines.lags import lag
from batch_platform.timelines.lookbacks import Lookback
from batch_platform.timelines.varying import Varying, offsets, unknown

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
    """Which partitions of an input a partition of the reader may see: an unbroken stretch of the input's calendar.

    `first` and `last` are distances back from the reader's own partition, where these are constant: `(0, 0)` is the
    partition of the same key, `(29, 2)` the 28 partitions from 29 to 2 before it. Across cadences both are None and
    `varying` says what is seen. For a table without partitions all three are None.
    """

    timeline: Timeline
    first: int | None = None
    last: int | None = None
    varying: Varying | None = None

    def keys(self, own: str) -> list[str]:
        """The input partitions that the reader's partition `own` may see; those before the start do not exist."""
        if self.varying is not None:
            return self.varying.keys(own)
        calendar = self.timeline.calendar
        if calendar is None or self.first is None or self.last is None:
            return [""]
        first, last = calendar.shift(own, -self.first), calendar.shift(own, -self.last)
        return calendar.keys_between(max(first, calendar.first), last)

    def mapping(self) -> dg.PartitionMapping | None:
        """The same stretch as Dagster's partition mapping; across cadences one that covers it, as narrow as it can be.

        None for a table without partitions.
        """
        if self.varying is not None:
            start, end = offsets(self.varying)
            return stretch_mapping(-start, -end)
        if self.first is None or self.last is None:
            return None
        return stretch_mapping(self.first, self.last)


def reading(timeline: Timeline, lookback: int | str | None, reader: Calendar, known_at: Offset) -> Reading:
    """What a reader that decides at `known_at` may see of an input.

    Without a lookback it sees the partition of its own key, which must be known by then; of a finer input all that
    begin within its own window, of a coarser one that in which this window begins. With a lookback of N it sees the N
    newest partitions that are known; with one such as `'28 days'` those that begin within that much time before the
    end of the newest. Nothing that begins after the reader's own window is seen.

    Raises:
        ConfigurationError: what it would see is known only after the decision time, the time zones differ, or the
            lookback is no number and no time.
    """
    calendar, available = timeline.calendar, timeline.available
    if calendar is None or available is None:
        return Reading(timeline)
    if calendar.timezone != reader.timezone:
        raise ConfigurationError(
            f"{timeline.table} has {calendar.cadence} partitions in {calendar.timezone}, "
            f"its reader {reader.cadence} ones in {reader.timezone}",
            fix="give both one time zone: Dagster maps no partitions from one zone to another",
        )
    back = None if lookback is None else Lookback.parse(lookback, calendar.cadence, timeline.table)
    if calendar.cadence is reader.cadence and not (back and back.unit):
        distance = lag(calendar, available, reader, known_at)
        if back is None:
            _refuse_future(timeline, available, known_at, distance, "its own partition")
            return Reading(timeline, 0, 0)
        newest = max(distance, 0)
        return Reading(timeline, newest + back.count - 1, newest)
    rule = Varying(calendar, available, reader, known_at, back)
    if back is None:
        behind = unknown(rule)
        if calendar.cadence.finer_than(reader.cadence) and behind > 0:
            raise ConfigurationError(
                f"the last {calendar.cadence} partition of {timeline.table} in a {reader.cadence} window is not known "
                f"at the decision time: it is known {available.text!r} after its own start, and this model decides "
                f"{known_at.text!r} after the start of its window",
                fix=f"put {reader.cadence} models into a FeatureTables component of their own with a later known_at",
            )
        _refuse_future(timeline, available, known_at, behind, "the one its window begins in")
    return Reading(timeline, varying=rule)


def _refuse_future(timeline: Timeline, available: Offset, known_at: Offset, behind: int, place: str) -> None:
    if behind > 0:
        raise ConfigurationError(
            f"{timeline.table} is known at {available.text!r}, after the decision time {known_at.text!r}: "
            "reading it would look into the future",
            fix=f"give it a lookback in config(), such as lookback=1, or move known_at; the newest it knows lies "
            f"{behind} back from {place}",
        )
