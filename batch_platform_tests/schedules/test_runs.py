"""Few runs, each an unbroken stretch, and names under which none is started twice."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from batch_platform.partitions import Cadence, Calendar
from batch_platform.schedules.runs import LONGEST, identity, stretches
from batch_platform_tests.calendars import calendars


@given(calendars(), st.sets(st.integers(0, 400), max_size=60))
def test_stretches_are_unbroken_complete_in_order_and_as_few_as_can_be(calendar: Calendar, steps: set[int]) -> None:
    keys = [calendar.shift(calendar.first, step) for step in sorted(steps)]
    found = stretches(calendar, keys)
    assert [key for stretch in found for key in stretch] == keys
    for stretch in found:
        assert stretch == calendar.keys_between(stretch[0], stretch[-1])
        assert len(stretch) <= LONGEST[calendar.cadence]
    for one, two in pairwise(found):
        assert len(one) == LONGEST[calendar.cadence] or calendar.shift(one[-1], 1) != two[0]


def test_hours_that_come_twice_are_one_stretch() -> None:
    hours = Calendar(Cadence.HOURLY, "2025-01-01-00:00", "America/New_York")
    keys = hours.keys_between("2025-11-02-00:00", "2025-11-02-03:00")
    assert len(keys) == 5 and stretches(hours, keys) == [keys]


def test_a_table_without_partitions_is_one_run() -> None:
    assert stretches(None, [""]) == [[""]]


def test_a_year_of_days_is_six_runs() -> None:
    days = Calendar(Cadence.DAILY, date(2025, 1, 1).isoformat())
    assert [len(stretch) for stretch in stretches(days, days.keys_between("2025-01-01", "2025-12-31"))] == [62] * 5 + [
        55
    ]


def test_an_identity_follows_everything_that_makes_a_run_another_one() -> None:
    part = ("table|2025-03-09", "cause", 1)
    found = [
        identity("table", (1, 7), [part]),
        identity("another", (1, 7), [part]),
        identity("table", (2, 7), [part]),
        identity("table", (1, 8), [part]),
        identity("table", (1, 7), [("table|2025-03-09", "cause", 2)]),
        identity("table", (1, 7), [("table|2025-03-09", "another", 1)]),
        identity("table", (1, 7), [part, part]),
    ]
    assert len(set(found)) == len(found)
    assert identity("table", (1, 7), [part]) == found[0]
