"""A partition's window as values that a watermark column is compared with.

Belongs here: time zones of columns that have none, and of dates. Does not belong here: comparing.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pyarrow as pa

from batch_platform.errors import ConfigurationError
from batch_platform.snapshots.column_types import type_name

if TYPE_CHECKING:
    from batch_platform.partitions import Window


def bounds(
    kind: pa.DataType | None, window: Window, zone: str | None, where: str
) -> tuple[datetime, datetime] | tuple[date, date]:
    """The first value of the window, and the first after it.

    Args:
        kind: the watermark's type. A time with a zone is compared with moments in UTC, one without with wall-clock
            times of `zone`, a date with days of `zone` or, by default, of the partitions' own.
        window: the partition's.
        zone: an IANA time zone.
        where: the place for messages.

    Raises:
        ConfigurationError: the column is no time or date, it needs a zone or has one, or partitions begin within a day.
    """
    if kind is not None and pa.types.is_timestamp(kind):
        if kind.tz is not None:
            if zone is not None:
                raise ConfigurationError("the watermark has a time zone of its own", where=where, fix="remove `zone`")
            return window.start.astimezone(UTC), window.end.astimezone(UTC)
        if zone is None:
            raise ConfigurationError(
                "the watermark is a time without zone",
                where=where,
                fix="declare `zone`, such as zone: UTC, in which its times were written",
            )
        return wall_clock(window, zone)
    if kind is not None and pa.types.is_date(kind):
        start, end = wall_clock(window, zone) if zone is not None else (window.start, window.end)
        if (start.time(), end.time()) != (time(), time()):
            raise ConfigurationError(
                "the watermark is a date, and a partition begins within a day",
                where=where,
                fix="declare the `zone` of its dates, or a cadence of whole days",
            )
        return start.date(), end.date()
    told = "of an unknown type" if kind is None else type_name(kind)
    raise ConfigurationError(
        f"the watermark is {told}; expected a time or a date", where=where, fix="choose another column, or use a query"
    )


def wall_clock(window: Window, zone: str) -> tuple[datetime, datetime]:
    """The window's bounds as clocks of a zone show them, without zone. Of the hour that is shown twice in autumn, the
    first has no times of its own: all belong to the second."""
    start, end = (bound.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0) for bound in (window.start, window.end))
    return start, end


def needed(window: Window | None, where: str, why: str) -> Window:
    """The window itself.

    Raises:
        ConfigurationError: the snapshot has no partitions.
    """
    if window is None:
        raise ConfigurationError(
            f"{why}, but the snapshot has no partitions", where=where, fix="declare `partitions`, or take it out"
        )
    return window
