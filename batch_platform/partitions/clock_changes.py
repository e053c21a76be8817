"""Time zones and what their clock changes do to hours: which zones hourly partitions can be kept in.

Belongs here: facts about a zone. Does not belong here: keys and windows (`calendar.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from batch_platform.errors import ConfigurationError

HOUR = timedelta(hours=1)
_YEARS = 30
"""How far ahead clock changes are looked at: beyond what the time zone database lists one by one for nearly all."""


def zone_named(name: str) -> ZoneInfo:
    """The time zone of an IANA name.

    Raises:
        ConfigurationError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"unknown time zone {name!r}", fix="use an IANA name such as America/New_York or UTC"
        ) from error


@lru_cache
def refuse_uneven_hours(name: str, year: int) -> None:
    """Refuse a zone in which, from `year` on, hours do not follow one another as hourly keys can tell them.

    Keys are counted in hours of real time and spelled on the wall clock. A change by part of an hour would move all
    later partitions off the full hour, and Dagster then spells them by where it began to count. A change back by
    more than an hour would repeat a stretch of hours, whose keys could not be in the order of time.

    Raises:
        ConfigurationError: naming the first such change.
    """
    zone, moment = zone_named(name), datetime(year, 1, 1, tzinfo=UTC)
    before = moment.astimezone(zone).utcoffset() or timedelta()
    for day in range(_YEARS * 366):
        local = (moment + timedelta(days=day)).astimezone(zone)
        change = (local.utcoffset() or timedelta()) - before
        if change % HOUR or change < -HOUR:
            raise ConfigurationError(
                f"hourly partitions in {name}: its clock changes by {change / HOUR:+g} hours around "
                f"{local.date()}, after which keys would not tell hours apart in the order of time",
                fix="use UTC for this table, or daily partitions",
            )
        before += change
