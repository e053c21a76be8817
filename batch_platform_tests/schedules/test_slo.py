"""Deadlines: when they are, on both sides of a clock change, and which cannot be met."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.schedules.slo import Slo, refuse_early_deadline
from batch_platform_tests.calendars import calendars

DAYS = Calendar(Cadence.DAILY, "2025-01-01", "Europe/Berlin", 1)


def slo(due: str, warn: str | None = None) -> Slo:
    return Slo(Offset.parse(due), Offset.parse(warn) if warn else None)


@pytest.mark.parametrize(
    ("day", "due"), [("2025-03-29", "05:00"), ("2025-03-30", "04:00"), ("2025-10-25", "04:00"), ("2025-10-26", "05:00")]
)
def test_a_deadline_stays_on_the_wall_clock(day: str, due: str) -> None:
    assert f"{slo('06:00').due_at(DAYS, day).astimezone(UTC):%H:%M}" == due


def test_nobody_worries_before_the_deadline_unless_that_is_declared() -> None:
    assert slo("06:00").warn_at(DAYS, "2025-03-10") == slo("06:00").due_at(DAYS, "2025-03-10")
    assert slo("06:00", "05:00").warn_at(DAYS, "2025-03-10").hour == 5


@pytest.mark.parametrize("due", ["02:59", "03:00", "-1d 20:00", "3h"])
def test_a_deadline_before_its_inputs_is_refused(due: str) -> None:
    with pytest.raises(ConfigurationError, match=r"slo\.due .* is not after known_at '03:00'"):
        refuse_early_deadline(slo(due), Offset.parse("03:00"), DAYS, "known_at")


def test_a_deadline_that_only_a_clock_change_makes_impossible_is_refused_with_the_day() -> None:
    # Three hours of real time after midnight are four o'clock on the day on which the clock goes forward.
    with pytest.raises(ConfigurationError, match="partition 2025-03-30"):
        refuse_early_deadline(slo("03:45"), Offset.parse("0d 3h"), DAYS, "known_at")
    refuse_early_deadline(slo("03:45"), Offset.parse("0d 3h"), Calendar(Cadence.DAILY, "2025-01-01"), "known_at")


def test_a_warning_after_the_deadline_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"slo\.warn '07:00' comes after slo\.due '06:00'"):
        refuse_early_deadline(slo("06:00", "07:00"), Offset.parse("03:00"), DAYS, "known_at")


def test_a_table_without_partitions_has_no_deadline() -> None:
    with pytest.raises(ConfigurationError, match="has no deadline"):
        refuse_early_deadline(slo("06:00"), Offset.parse("0d"), None, "known_at")


@given(calendars(), st.integers(-2, 2), st.integers(-2, 2), st.integers(0, 1000))
def test_a_deadline_that_is_accepted_lies_after_the_inputs_of_every_partition(
    calendar: Calendar, earliest: int, due: int, step: int
) -> None:
    ready, objective = Offset.parse(f"{earliest}d 03:00"), slo(f"{due}d 04:00")
    try:
        refuse_early_deadline(objective, ready, calendar, "known_at")
    except ConfigurationError:
        assert due < earliest
        return
    key = calendar.shift(calendar.first, step)
    moments = objective.due_at(calendar, key).timestamp(), ready.after(calendar.start_of(key)).timestamp()
    assert moments[0] > moments[1]
    assert datetime.fromtimestamp(moments[0], UTC) > datetime.fromtimestamp(moments[1], UTC)
