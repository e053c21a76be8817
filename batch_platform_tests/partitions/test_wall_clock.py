"""Readings of the wall clock are found at the moments that show them, whatever the clock does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from batch_platform.partitions.wall_clock import first_shown, last_shown
from batch_platform_tests.calendars import MIDNIGHT_GAPS, ZONES

ALL_ZONES = st.sampled_from([*ZONES, *MIDNIGHT_GAPS, "Africa/Casablanca", "America/St_Johns", "Pacific/Apia"])


@given(st.datetimes(datetime(2015, 1, 1), datetime(2034, 1, 1)), ALL_ZONES)
def test_a_wall_time_is_found_at_the_moment_that_shows_it(wall: datetime, name: str) -> None:
    wall, zone = wall.replace(microsecond=0), ZoneInfo(name)
    first, last = first_shown(wall, zone), last_shown(wall, zone)
    assert first <= last
    for moment in (first, last):
        assert moment.astimezone(zone).replace(tzinfo=None) >= wall
        just_before = (moment - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None)
        assert just_before < wall or first < last


def test_a_time_that_is_skipped_is_the_moment_at_which_the_clock_is_set_forward() -> None:
    skipped, zone = datetime(2026, 3, 8, 2, 30), ZoneInfo("America/New_York")
    assert first_shown(skipped, zone) == last_shown(skipped, zone) == datetime(2026, 3, 8, 7, tzinfo=UTC)


def test_a_time_that_comes_twice_has_two_moments() -> None:
    twice, zone = datetime(2026, 11, 1, 1, 30), ZoneInfo("America/New_York")
    assert first_shown(twice, zone) == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert last_shown(twice, zone) == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
