"""How far back a reader looks: partitions, or time on the wall clock."""

from __future__ import annotations

import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.timelines import Timeline, reading

HOURS = Calendar(Cadence.HOURLY, "2024-10-01-00:00", "America/New_York")
NEW_YORK = Calendar(Cadence.DAILY, "2025-01-06", "America/New_York", 2)
EVENING_BEFORE, MIDNIGHT, NEXT_MORNING = (Offset.parse(text) for text in ("-1d 18:00", "0d", "1d 06:00"))


@pytest.mark.parametrize(
    ("lookback", "count"), [("28 days", 28 * 24), ("1 week", 168), ("6 hours", 6), (6, 6), ("1 month", 31 * 24)]
)
def test_time_on_hourly_partitions_is_as_many_hours(lookback: int | str, count: int) -> None:
    days = Calendar(Cadence.DAILY, "2024-10-01", "America/New_York")
    seen = reading(Timeline("snapshots/weather", HOURS, Offset.parse("1h")), lookback, days, MIDNIGHT)
    keys = seen.keys("2025-02-01")
    assert (len(keys), keys[-1]) == (count, "2025-01-31-23:00")


def test_days_of_hours_are_days_on_the_wall_clock_and_hours_are_hours() -> None:
    days = Calendar(Cadence.DAILY, "2024-10-01", "America/New_York")
    weather = Timeline("snapshots/weather", HOURS, Offset.parse("1h"))
    for day, hours in (("2025-03-10", 23), ("2025-11-03", 25)):
        assert len(reading(weather, "1 day", days, MIDNIGHT).keys(day)) == hours
        assert len(reading(weather, "24 hours", days, MIDNIGHT).keys(day)) == 24


def test_time_on_days_and_weeks_is_as_many_partitions() -> None:
    outcomes = Timeline("snapshots/outcomes", NEW_YORK, Offset.parse("1d 06:00"))
    for text in ("28 days", "4 weeks", "672 hours", "28 day", "28days"):
        assert reading(outcomes, text, NEW_YORK, EVENING_BEFORE) == reading(outcomes, 28, NEW_YORK, EVENING_BEFORE)
    months = reading(outcomes, "1 month", NEW_YORK, EVENING_BEFORE)
    assert months.keys("2025-03-03") == NEW_YORK.keys_between("2025-02-02", "2025-03-01")
    assert months.keys("2025-04-02") == NEW_YORK.keys_between("2025-03-01", "2025-03-31")


@pytest.mark.parametrize(
    ("lookback", "said"),
    [
        (0, "use 1 or more"), (-1, "use 1 or more"), ("0 days", "use 1 or more days"), ("", "number of hours"),
        ("soon", "number of hours"), ("1.5 days", "number of hours"), ("-3 days", "number of hours"), ("28", "number"),
        ("3 hours", "shorter than one of its daily"), ("23 hours", "1 or more days"), (True, "number of partitions"),
        (10**9, "century"), ("1400 months", "century"), ("9999999 weeks", "century"), ("\u0663 days", "number"),
    ],
)  # fmt: skip
def test_a_lookback_that_cannot_be_is_refused(lookback: int | str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"lookback of snapshots/outcomes is .*{said}"):
        reading(Timeline("snapshots/outcomes", NEW_YORK, NEXT_MORNING), lookback, NEW_YORK, EVENING_BEFORE)
