"""Lags: the newest partition known at a moment, and a distance that holds on every day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.timelines.lags import lag, newest_known
from batch_platform_tests.calendars import calendars, offsets


@given(calendars(), offsets(), st.integers(0, 200), st.integers(0, 86400))
def test_the_newest_that_is_known_is_known_and_the_next_is_not(
    calendar: Calendar, available: Offset, step: int, second: int
) -> None:
    decision = calendar.start_of(calendar.shift(calendar.first, step)).astimezone(UTC) + timedelta(seconds=second)
    newest = newest_known(calendar, available, decision)

    def since(key: str) -> float:
        return available.after(calendar.start_of(key)).timestamp()

    assert since(newest) <= decision.timestamp() < since(calendar.shift(newest, 1))


ZONE = st.sampled_from(["UTC", "America/New_York", "Europe/Berlin", "America/Havana"])


@settings(max_examples=25)
@given(ZONE, offsets(), offsets(), st.integers(0, 399))
def test_what_lies_a_lag_back_is_known_on_every_day(zone: str, available: Offset, known_at: Offset, step: int) -> None:
    """And no shorter distance is, on all of them."""
    days = Calendar(Cadence.DAILY, "2025-01-01", zone)
    own = days.shift(days.first, step)
    back = lag(days, available, days, known_at)
    seen = days.shift(own, -back)
    decision = known_at.after(days.start_of(own))
    assert available.after(days.start_of(seen)).timestamp() <= decision.timestamp()
    newest = (
        newest_known(days, available, known_at.after(days.start_of(days.shift(days.first, n)))) for n in range(400)
    )
    assert any(days.steps(known, days.shift(days.first, n)) == back for n, known in enumerate(newest))


def test_a_clock_change_makes_the_lag_that_of_its_day() -> None:
    """Known 24 hours after midnight is known at midnight, but for the day of 25 hours."""
    midnight, day_after = Offset.parse("1d"), Offset.parse("24h")
    assert lag(Calendar(Cadence.DAILY, "2025-01-01"), day_after, Calendar(Cadence.DAILY, "2025-01-01"), midnight) == 0
    berlin = Calendar(Cadence.DAILY, "2025-01-01", "Europe/Berlin")
    assert newest_known(berlin, day_after, datetime(2025, 3, 30, 22, tzinfo=UTC)) == "2025-03-29"
    assert lag(berlin, day_after, berlin, midnight) == 1


def test_two_cadences_have_no_constant_lag() -> None:
    days, weeks = Calendar(Cadence.DAILY, "2025-01-05"), Calendar(Cadence.WEEKLY, "2025-01-05")
    with pytest.raises(ConfigurationError, match="weekly table has no constant lag behind daily"):
        lag(days, Offset.parse("1d"), weeks, Offset.parse("1d"))
