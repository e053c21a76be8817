"""What a wall clock shows, and when: times of day that a clock change skips or repeats have their moments, too.

Belongs here: from a reading of the wall clock to moments. Does not belong here: offsets from partitions (`offsets.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(maxsize=4096)
def first_shown(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first moment, in UTC, at which the wall clock of a zone shows `wall` or has just skipped it."""
    return _shown(wall, zone, 0)


@lru_cache(maxsize=4096)
def last_shown(wall: datetime, zone: ZoneInfo) -> datetime:
    """The last moment, in UTC, at which the wall clock of a zone shows `wall` or has just skipped it."""
    return _shown(wall, zone, 1)


def _shown(wall: datetime, zone: ZoneInfo, fold: int) -> datetime:
    """The first or second moment; for a time that is skipped, the moment at which the clock is set forward."""
    moment = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wall:
        return moment
    # Read with the offset from after the change it lies before the change, and the other way round.
    early, late = (int(wall.replace(tzinfo=zone, fold=side).timestamp()) for side in (1, 0))
    after = datetime.fromtimestamp(late, zone).utcoffset()
    while late - early > 1:
        middle = (early + late) // 2
        early, late = (early, middle) if datetime.fromtimestamp(middle, zone).utcoffset() == after else (middle, late)
    return datetime.fromtimestamp(late, UTC)
