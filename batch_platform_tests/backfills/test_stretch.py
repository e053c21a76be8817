"""The notation of ranges, and the partitions that begin in one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.backfills.stretch import Stretch
from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence, Calendar

NOW = datetime(2025, 11, 5, 3, tzinfo=UTC)  # in New York it is ten in the evening of the 4th
DAYS = Calendar(Cadence.DAILY, "2024-01-01", "America/New_York", ahead=2)
HOURS = Calendar(Cadence.HOURLY, "2024-01-01-00:00", "America/New_York")
WEEKS = Calendar(Cadence.WEEKLY, "2024-01-07", "America/New_York")
MONTHS = Calendar(Cadence.MONTHLY, "2024-01-01", "America/New_York", ahead=1)


def keys(text: str, calendar: Calendar) -> list[str]:
    return Stretch.parse(text).keys(calendar, NOW)


def test_a_year_a_month_a_day_and_two_ends() -> None:
    assert len(keys("2025", DAYS)) == 365
    assert keys("2025-02", DAYS)[::27] == ["2025-02-01", "2025-02-28"]
    assert keys("2025-02-03", DAYS) == ["2025-02-03"]
    assert keys("2025-01-30 .. 2025-02", DAYS)[:3] == ["2025-01-30", "2025-01-31", "2025-02-01"]
    assert keys("2025-11..2026-01", MONTHS) == ["2025-11-01", "2025-12-01", "2026-01-01"]


def test_a_partition_belongs_to_the_range_in_which_it_begins() -> None:
    weeks = keys("2025-01-01..2025-12-31", WEEKS)
    assert (weeks[0], weeks[-1], len(weeks)) == ("2025-01-05", "2025-12-28", 52)
    assert keys("2025-01-05", WEEKS) == ["2025-01-05"]  # the week's own key
    assert keys("2025-01-06..2025-01-11", WEEKS) == []
    assert keys("2025-03-02..2025-03-31", MONTHS) == []


def test_hours_on_the_days_when_the_clock_is_changed() -> None:
    assert len(keys("2025-03-09", HOURS)) == 23
    assert len(keys("2025-11-02", HOURS)) == 25
    assert keys("2025-11-02-01:00-0500", HOURS) == ["2025-11-02-01:00-0500"]
    assert keys("2025-06-01-13:00", HOURS) == ["2025-06-01-13:00"]


def test_the_last_days_end_with_today_on_the_tables_own_clock() -> None:
    assert keys("last 3 days", DAYS) == ["2025-11-02", "2025-11-03", "2025-11-04"]
    berlin = Calendar(Cadence.DAILY, "2024-01-01", "Europe/Berlin", ahead=1)
    assert keys("last 1 day", berlin) == ["2025-11-05"]
    assert keys("last 2 months", MONTHS) == ["2025-10-01", "2025-11-01"]
    assert keys("last 2 weeks", WEEKS) == ["2025-10-26", "2025-11-02"]
    assert keys("last 2 hours", HOURS) == ["2025-11-04-21:00", "2025-11-04-22:00"]


def test_nothing_begins_before_the_first_partition() -> None:
    assert keys("2023-12-30..2024-01-02", DAYS) == ["2024-01-01", "2024-01-02"]
    assert keys("2023", DAYS) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2025-13",
        "2025-02-30",
        "2025-1-7",
        "last 0 days",
        "last days",
        "..",
        "2025..",
        "2025-06-01-13:30",
    ],
)
def test_what_is_no_range_is_told(text: str) -> None:
    with pytest.raises(ConfigurationError, match="range"):
        Stretch.parse(text)


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="ends before it begins"):
        Stretch.parse("2025-03-01..2025-02-01")


@given(first=st.integers(0, 700), one=st.integers(0, 90), two=st.integers(1, 90))
def test_ranges_that_adjoin_share_no_partition_and_miss_none(first: int, one: int, two: int) -> None:
    days = [DAYS.shift("2024-01-01", step) for step in (first, first + one, first + one + 1, first + one + two)]
    for calendar in (DAYS, HOURS, WEEKS, MONTHS):
        parts = keys(f"{days[0]}..{days[1]}", calendar) + keys(f"{days[2]}..{days[3]}", calendar)
        assert parts == keys(f"{days[0]}..{days[3]}", calendar)
