"""How far behind its input a reader is, because what happened becomes known only later.

Belongs here: the newest partition known at a moment, and how far back it lies. Does not belong here: how many
partitions a reader wants (`lookbacks.py`), or what it then reads (`reading.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence, Calendar, Offset

_STEPS = 400
_DAYS = 400
_PRESENT = datetime(2028, 1, 1, tzinfo=UTC)
_NEAR = 3  # days: more than any clock change and time of day together can move a moment


def newest_known(calendar: Calendar, available: Offset, decision: datetime) -> str:
    """The newest partition of `calendar` that is available at the moment `decision`."""
    limit = decision.timestamp()

    def known(key: str) -> bool:
        return available.after(calendar.start_of(key)).timestamp() <= limit

    key = calendar.key_at(available.before(decision, calendar.zone))
    while known(later := calendar.shift(key, 1)):
        key = later
    while not known(key):
        key = calendar.shift(key, -1)
    return key


@lru_cache(maxsize=4096)
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
            f"a {reader.cadence} table has no constant lag behind {calendar.cadence} partitions",
            fix="give both one cadence",
        )
    decision = known_at.days + known_at.hours / 24
    seen = decision - available.days - available.hours / 24
    return max(
        calendar.steps(newest_known(calendar, available, known_at.after(reader.start_of(own))), own)
        for own in ordinary_and_odd(reader, calendar, (0, decision, seen))
    )


def ordinary_and_odd(reader: Calendar, calendar: Calendar, reach: tuple[float, ...]) -> Iterator[str]:
    """Partitions of the reader that between them meet whatever clock changes do in more than a year.

    Days without a clock change nearby are alike, hour by hour. So of hourly partitions only some are taken: those of
    the first days, and those from which a moment that matters, `reach` days from their start, falls near a change of
    the clock in either zone.
    """
    for begin in beginnings(reader, reader):
        if reader.cadence is not Cadence.HOURLY:
            yield from (reader.shift(begin, step) for step in range(_STEPS))
            continue
        start = reader.start_of(begin).timestamp()
        odd = {0, *(change - round(days) for change in _changes(start, reader, calendar) for days in reach)}
        for day in sorted({day + step for day in odd for step in range(-_NEAR, _NEAR + 1)}):
            first = reader.key_at(datetime.fromtimestamp(start + day * 86400, UTC))
            yield from reader.keys_between(first, reader.shift(first, 23))


def beginnings(reader: Calendar, calendar: Calendar) -> tuple[str, ...]:
    """The partitions of `calendar` from which on to look: where the reader begins, and at present if the clock differs.

    Countries change their rules for the clock: one that changes it now did not always, and the other way round.
    """
    begin = reader.start_of(reader.first)
    zones = {reader.zone, calendar.zone}
    alike = all(_clock_changes(zone, begin.year) == _clock_changes(zone, _PRESENT.year) for zone in zones)
    first, present = calendar.key_from(begin), calendar.key_from(_PRESENT)
    return (first,) if alike or first >= present else (first, present)


@lru_cache(maxsize=256)
def _clock_changes(zone: ZoneInfo, year: int) -> frozenset[tuple[int, int, timedelta]]:
    """The clock changes of one year: month, weekday, and by how much."""
    days = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(367)]
    local = [day.astimezone(zone) for day in days]
    offsets = [day.utcoffset() or timedelta() for day in local]
    moved = [day for day in range(366) if offsets[day] != offsets[day + 1]]
    return frozenset((local[day].month, local[day].weekday(), offsets[day + 1] - offsets[day]) for day in moved)


@lru_cache(maxsize=256)
def _changes(start: float, *calendars: Calendar) -> tuple[int, ...]:
    """The days, counted from the moment `start` on, before which the clock is changed in one of the zones."""
    moments = [start + day * 86400 for day in range(_DAYS)]
    found = set[int]()
    for zone in {calendar.zone for calendar in calendars}:
        offsets = [datetime.fromtimestamp(moment, zone).utcoffset() for moment in moments]
        found |= {day for day in range(1, _DAYS) if offsets[day] != offsets[day - 1]}
    return tuple(sorted(found))
