"""A model has the partitions for which its inputs exist, neither earlier nor further ahead."""

from __future__ import annotations

from datetime import UTC, date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.timelines import Timeline, reading
from batch_platform.timelines.common_calendar import calendar_of
from batch_platform_tests.calendars import HOURLY_ZONES, calendar_from, keys_within

WHERE = "models/delays.sql"
HOURS = Calendar(Cadence.HOURLY, "2025-01-06-05:00", "America/New_York", 3)
DAYS = Calendar(Cadence.DAILY, "2025-01-07", "America/New_York", 2)
WEEKS = Calendar(Cadence.WEEKLY, "2025-01-05", "America/New_York", 1)


def new_york(cadence: Cadence, start: str, ahead: int) -> Calendar:
    return Calendar(cadence, start, "America/New_York", ahead)


@pytest.mark.parametrize(
    ("own", "back", "cadence", "expected"),
    [
        ([DAYS], [], None, DAYS),
        ([DAYS, new_york(Cadence.DAILY, "2025-02-01", 0)], [], None, new_york(Cadence.DAILY, "2025-02-01", 0)),
        ([DAYS], [WEEKS, HOURS], None, DAYS),
        ([DAYS], [], "daily", DAYS),
        ([HOURS], [], "daily", new_york(Cadence.DAILY, "2025-01-07", 0)),
        ([DAYS], [], "weekly", new_york(Cadence.WEEKLY, "2025-01-12", 0)),
        ([new_york(Cadence.DAILY, "2025-01-05", 14)], [], "weekly", new_york(Cadence.WEEKLY, "2025-01-05", 2)),
        ([DAYS], [], "monthly", new_york(Cadence.MONTHLY, "2025-02-01", 0)),
        ([DAYS], [], "hourly", new_york(Cadence.HOURLY, "2025-01-07-00:00", 24)),
        ([WEEKS], [], "daily", new_york(Cadence.DAILY, "2025-01-05", 1)),
        ([HOURS, DAYS], [], "daily", new_york(Cadence.DAILY, "2025-01-07", 0)),
        ([WEEKS, DAYS], [], "weekly", new_york(Cadence.WEEKLY, "2025-01-12", 0)),
        ([], [DAYS, WEEKS], "weekly", new_york(Cadence.WEEKLY, "2025-01-12", 0)),
        ([], [DAYS], "daily", DAYS),
    ],
)
def test_the_calendar_of_a_model(
    own: list[Calendar], back: list[Calendar], cadence: str | None, expected: Calendar
) -> None:
    assert calendar_of(own, back, cadence, WHERE) == expected


@pytest.mark.parametrize(
    ("own", "back", "cadence", "said"),
    [
        ([], [], None, "no partitioned input"),
        ([DAYS, WEEKS], [], None, r"several cadences.*daily in America/New_York, weekly in .*cadence='weekly'"),
        ([], [DAYS], None, r"with a lookback.*daily in America/New_York.*cadence='daily'"),
        ([DAYS], [], "fortnightly", "'fortnightly'.*hourly, daily, weekly, monthly"),
        ([DAYS, Calendar(Cadence.DAILY, "2025-01-07", "UTC")], [], None, "several time zones.*New_York, daily in UTC"),
        ([DAYS], [Calendar(Cadence.HOURLY, "2025-01-07-00:00", "UTC")], None, "several time zones.*hourly in UTC"),
        ([Calendar(Cadence.DAILY, "2025-01-07", "Australia/Lord_Howe")], [], "hourly", "Lord_Howe"),
    ],
)
def test_a_model_without_one_calendar_is_refused(
    own: list[Calendar], back: list[Calendar], cadence: str | None, said: str
) -> None:
    """With the model's path, the cadences and zones, and what to write."""
    with pytest.raises(ConfigurationError, match=said) as caught:
        calendar_of(own, back, cadence, WHERE)
    assert str(caught.value).startswith(f"{WHERE}: ")


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(Cadence),
    st.sampled_from(Cadence),
    st.dates(date(2015, 1, 1), date(2030, 12, 31)),
    st.sampled_from(HOURLY_ZONES),
    st.integers(0, 900),
    st.floats(0, 1500),
)
def test_every_partition_that_exists_finds_its_inputs(
    cadence: Cadence, wanted: Cadence, start: date, zone: str, ahead: int, days: float
) -> None:
    """At any moment, also of those ahead of their time; the two that cannot be are those that the docstring names."""
    source = calendar_from(cadence, start, zone, ahead)
    model = calendar_of([source], [], wanted, WHERE)
    at_once = Offset.parse("-9000d")
    read = reading(Timeline("x/y", source, at_once), None, model, Offset.parse("0d"))
    first = read.keys(model.first)
    assert first and keys_within(source, source.window(first[0])) == first[:1]
    if wanted.finer_than(cadence):
        assert first == [source.key_at(model.start_of(model.first))]
    elif cadence is not wanted:
        assert source.start_of(source.first).timestamp() <= model.start_of(model.first).timestamp()
        assert source.start_of(source.first) > model.start_of(model.shift(model.first, -1))
    now = model.start_of(model.first).astimezone(UTC) + timedelta(days=days)
    newest = model.latest(now)
    waits = wanted.finer_than(cadence) and ahead == 0
    waits |= (cadence, wanted) == (Cadence.WEEKLY, Cadence.MONTHLY) and ahead == 0
    if newest >= model.first and not waits:
        assert read.keys(newest)[-1] <= source.latest(now)
