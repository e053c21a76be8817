"""No reader ever sees the future, and Dagster's mapping covers what each one reads."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import dagster as dg
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.timelines import Reading, Timeline, lag, newest_known, reading
from batch_platform_tests.calendars import DATES, HOURLY_ZONES, calendar_from, calendars, keys_within, offsets

ZONE = st.sampled_from(HOURLY_ZONES)
PAST = st.dates(date(2010, 1, 1), date(2018, 12, 31))  # Dagster asks the clock before it makes a subset
RECENT = datetime(2028, 1, 1, tzinfo=UTC)
STEPS = {Cadence.HOURLY: 20000, Cadence.DAILY: 1500, Cadence.WEEKLY: 400, Cadence.MONTHLY: 120}
LOOKBACK = (
    st.none()
    | st.integers(1, 60)
    | st.sampled_from(["3 hours", "800 hours", "40 days", "6 weeks", "1 month", "14 months"])
)


@given(calendars(), offsets(), st.floats(-2000, 8000))
def test_the_newest_known_partition_is_known_and_the_next_is_not(
    calendar: Calendar, available: Offset, hours: float
) -> None:
    decision = calendar.start_of(calendar.first).astimezone(UTC) + timedelta(hours=hours)
    key = newest_known(calendar, available, decision)
    assert available.after(calendar.start_of(key)).timestamp() <= decision.timestamp()
    assert available.after(calendar.start_of(calendar.shift(key, 1))).timestamp() > decision.timestamp()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(Cadence), DATES, ZONE, ZONE | st.none(), offsets(), offsets(), st.data())
def test_no_lag_ever_shows_what_is_known_only_after_the_decision(
    cadence: Cadence,
    start: date,
    zone: str,
    other: str | None,
    available: Offset,
    known_at: Offset,
    data: st.DataObject,
) -> None:
    """In one zone or in two, in any season; in one zone the lag is also no longer than it must be."""
    reader = calendar_from(cadence, start, zone)
    source = calendar_from(cadence, start, other or zone)
    distance = lag(source, available, reader, known_at)
    tight = False
    for step in data.draw(st.lists(st.integers(0, STEPS[cadence]), min_size=5, max_size=5)):
        own = reader.shift(reader.first, step)
        decision = known_at.after(reader.start_of(own)).timestamp()
        read = source.start_of(source.shift(own, -distance))
        late = available.after(read).timestamp() > decision
        assert not late or (other not in (None, zone) and clock_is_unsteady(available.after(read)))
        following = source.start_of(source.shift(own, 1 - distance))
        tight = tight or available.after(following).timestamp() > decision
    steady = not (available.hours or known_at.hours)  # a day with a clock change may be the only one that lags so far
    if other in (None, zone) and cadence in (Cadence.DAILY, Cadence.WEEKLY) and steady:
        assert tight


def clock_is_unsteady(moment: datetime) -> bool:
    """Whether a wall-clock time comes twice or not at all, so that its order among others is a convention."""
    return (
        any(moment.utcoffset() != (moment + timedelta(hours=hours)).utcoffset() for hours in (-2, -1, 1, 2))
        or moment.replace(fold=1).utcoffset() != moment.replace(fold=0).utcoffset()
    )


NEW_YORK = Calendar(Cadence.DAILY, "2025-01-06", "America/New_York", 2)
NOON_BEFORE, EVENING_BEFORE = Offset.parse("-1d 12:00"), Offset.parse("-1d 18:00")


def test_what_is_known_before_the_decision_is_read_at_its_own_key() -> None:
    assert lag(NEW_YORK, NOON_BEFORE, NEW_YORK, EVENING_BEFORE) == 0
    assert reading(Timeline("x/y", NEW_YORK, NOON_BEFORE), None, NEW_YORK, EVENING_BEFORE).keys("2025-03-10") == [
        "2025-03-10"
    ]


def test_outcomes_known_the_morning_after_lag_by_two_days() -> None:
    """At six in the evening before the day, yesterday's outcomes are known: those of the day two before."""
    outcomes = Timeline("snapshots/outcomes", NEW_YORK, Offset.parse("1d 06:00"))
    seen = reading(outcomes, 28, NEW_YORK, EVENING_BEFORE)
    assert (seen.first, seen.last) == (29, 2)
    assert seen.keys("2025-03-10") == NEW_YORK.keys_between("2025-02-09", "2025-03-08")
    assert seen.keys("2025-01-09") == ["2025-01-06", "2025-01-07"], "nothing exists before the start"
    assert seen.keys("2025-01-06") == []


def test_the_lag_is_that_of_the_worst_season() -> None:
    """Berlin is six hours ahead of New York, but five for three weeks in March: then midnight there comes too late."""
    berlin = Calendar(Cadence.DAILY, "2025-01-06", "Europe/Berlin", 2)
    midnight = Offset.parse("00:00")
    march, june = (EVENING_BEFORE.after(NEW_YORK.start_of(key)) for key in ("2025-03-20", "2025-06-20"))
    assert (newest_known(berlin, midnight, march), newest_known(berlin, midnight, june)) == ("2025-03-19", "2025-06-20")
    assert lag(berlin, midnight, NEW_YORK, EVENING_BEFORE) == 1


def test_reading_the_future_is_refused_with_the_way_out() -> None:
    outcomes = Timeline("snapshots/outcomes", NEW_YORK, Offset.parse("1d 06:00"))
    with pytest.raises(ConfigurationError, match=r"snapshots/outcomes.*look into the future.*lookback"):
        reading(outcomes, None, NEW_YORK, EVENING_BEFORE)
    with pytest.raises(ConfigurationError, match="use 1 or more"):
        reading(outcomes, 0, NEW_YORK, EVENING_BEFORE)


def test_a_table_without_partitions_is_read_whole() -> None:
    seen = reading(Timeline("x/y", None, None), None, NEW_YORK, EVENING_BEFORE)
    assert seen.keys("2025-03-10") == [""]
    assert seen.mapping() is None


MODERATE = st.builds(
    lambda days, hours, clock: Offset.parse(f"{days}d {hours}h {clock}".strip()),
    st.integers(-3, 40), st.integers(-30, 30), st.sampled_from(["", "00:00", "01:30", "02:00", "18:00", "23:59"]),
)  # fmt: skip


@st.composite
def readings(draw: st.DrawFn, starts: st.SearchStrategy[date] = DATES) -> tuple[Reading, Calendar, Offset]:
    """Any reading that is not refused: of one cadence by another, in one zone, with or without a lookback."""
    zone = draw(ZONE)
    start = draw(starts)
    source = calendar_from(draw(st.sampled_from(Cadence)), start, zone, hour=draw(st.integers(0, 23)))
    reader = calendar_from(draw(st.sampled_from(Cadence)), start + timedelta(days=draw(st.integers(-400, 400))), zone)
    known_at, available = draw(MODERATE), draw(MODERATE)
    try:
        return reading(Timeline("x/y", source, available), draw(LOOKBACK), reader, known_at), reader, known_at
    except ConfigurationError:
        assume(False)
        raise


@settings(max_examples=100, deadline=None)
@given(readings(), st.data())
def test_no_reading_shows_the_future_nor_goes_back_as_time_goes_on(
    given_reading: tuple[Reading, Calendar, Offset], data: st.DataObject
) -> None:
    """Whatever is read is known at the decision time, in one unbroken stretch whose ends only move forward."""
    seen, reader, known_at = given_reading
    calendar, available = seen.timeline.calendar, seen.timeline.available
    assert calendar is not None and available is not None
    step = data.draw(st.integers(0, STEPS[reader.cadence]))
    own = reader.shift(reader.first, step)
    later = reader.shift(own, data.draw(st.integers(1, 30)))
    keys, afterwards = seen.keys(own), seen.keys(later)
    assert keys == sorted(keys)
    assert all(calendar.shift(one, 1) == two for one, two in pairwise(keys))
    decision = known_at.after(reader.start_of(own))
    if keys:
        assert available.after(calendar.start_of(keys[-1])).timestamp() <= decision.timestamp()
        assert keys[0] >= calendar.first
        assert calendar.start_of(keys[-1]).timestamp() < reader.start_of(reader.shift(own, 1)).timestamp()
    if keys and afterwards:
        assert keys[0] <= afterwards[0] and keys[-1] <= afterwards[-1]


def mapped(seen: Reading, reader: Calendar, own: str) -> list[str]:
    """The input partitions that Dagster itself maps a partition onto, long after all of them came to be."""
    source, mapping = seen.timeline.calendar, seen.mapping()
    assert source is not None and mapping is not None
    result = mapping.get_upstream_mapped_partitions_result_for_partitions(
        reader.definition.subset_with_partition_keys([own]),
        reader.definition,
        source.definition,
        current_time=datetime(2025, 6, 1, tzinfo=UTC),
    )
    return sorted(result.partitions_subset.get_partition_keys())


@settings(max_examples=60, deadline=None)
@given(readings(PAST), st.data())
def test_dagster_maps_onto_all_that_is_read(
    given_reading: tuple[Reading, Calendar, Offset], data: st.DataObject
) -> None:
    """Dagster draws the lineage and waits for upstream partitions by its mapping; we read by our keys."""
    seen, reader, _ = given_reading
    last = reader.steps(reader.first, reader.key_at(datetime(2023, 6, 1, tzinfo=UTC)))
    own = reader.shift(reader.first, data.draw(st.integers(0, min(last, STEPS[reader.cadence]))))
    wanted, found = seen.keys(own), mapped(seen, reader, own)
    assert not {*wanted} - {*found}
    if seen.varying is None:
        assert found == wanted


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Europe/Berlin", "Africa/Cairo"])
@pytest.mark.parametrize(
    ("cadence", "finer", "known_at"),
    [
        (Cadence.DAILY, Cadence.HOURLY, "1d"),
        (Cadence.WEEKLY, Cadence.HOURLY, "7d"),
        (Cadence.WEEKLY, Cadence.DAILY, "7d"),
        (Cadence.MONTHLY, Cadence.DAILY, "31d"),
    ],
)
def test_what_a_window_holds_of_a_finer_input_is_mapped_exactly(
    zone: str, cadence: Cadence, finer: Cadence, known_at: str
) -> None:
    """And is the very window, also where it is an hour shorter or longer."""
    reader, source = (calendar_from(one, date(2022, 1, 2), zone) for one in (cadence, finer))
    seen = reading(Timeline("x/y", source, Offset.parse("0d")), None, reader, Offset.parse(known_at))
    for own in reader.keys_between(reader.first, reader.shift(reader.first, {Cadence.DAILY: 370}.get(cadence, 20))):
        keys, window = seen.keys(own), reader.window(own)
        assert keys == keys_within(source, window) == mapped(seen, reader, own)
        assert source.start_of(keys[0]).timestamp() == window.start.timestamp()
        assert source.window(keys[-1]).end.timestamp() == window.end.timestamp()


@settings(max_examples=15, deadline=None)
@given(readings(PAST))
def test_the_mapping_is_as_narrow_as_it_can_be(given_reading: tuple[Reading, Calendar, Offset]) -> None:
    """It is the narrowest that covers every partition of years, asked one by one: first years and recent ones."""
    seen, reader, _ = given_reading
    rule, mapping = seen.varying, seen.mapping()
    assume(
        rule is not None and rule.lookback is not None and Cadence.HOURLY not in (reader.cadence, rule.input.cadence)
    )
    assert rule is not None and isinstance(mapping, dg.TimeWindowPartitionMapping)
    weeks_in_months = {rule.input.cadence, reader.cadence} == {Cadence.WEEKLY, Cadence.MONTHLY}
    found = []
    for begin, years in ((reader.start_of(reader.first), 28 if weeks_in_months else 4), (RECENT, 4)):
        for own in reader.keys_between(reader.key_from(begin), reader.key_at(begin + years * timedelta(366))):
            first, last = rule.ends(own)
            end = rule.input.start_of(rule.input.shift(first, 1)).astimezone(UTC) - timedelta(seconds=1)
            found.append([reader.steps(own, reader.key_at(at)) for at in (end, rule.input.start_of(last))])
    assert (mapping.start_offset, mapping.end_offset) == (min(one for one, _ in found), max(two for _, two in found))


HOURS = Calendar(Cadence.HOURLY, "2024-10-01-00:00", "America/New_York")
MIDNIGHT, NEXT_MORNING = Offset.parse("0d"), Offset.parse("1d 06:00")


def test_a_day_reads_all_its_hours() -> None:
    """23 where the clock is set forward, 25 where it is set back."""
    days = Calendar(Cadence.DAILY, "2024-10-01", "America/New_York")
    seen = reading(Timeline("snapshots/weather", HOURS, Offset.parse("1h")), None, days, NEXT_MORNING)
    assert [len(seen.keys(day)) for day in ("2025-03-08", "2025-03-09", "2025-11-02")] == [24, 23, 25]
    assert "2025-11-02-01:00-0500" in seen.keys("2025-11-02")


def test_an_hour_reads_the_newest_day_that_is_known() -> None:
    days = Timeline("snapshots/outcomes", Calendar(Cadence.DAILY, "2024-10-01", "America/New_York"), NEXT_MORNING)
    seen = reading(days, 2, HOURS, MIDNIGHT)
    assert seen.keys("2025-01-10-05:00") == ["2025-01-07", "2025-01-08"]
    assert seen.keys("2025-01-10-06:00") == ["2025-01-08", "2025-01-09"]


def test_an_hour_reads_the_day_that_it_lies_in_where_that_is_known() -> None:
    schedule = Timeline("snapshots/schedule", Calendar(Cadence.DAILY, "2024-10-01", "America/New_York"), NOON_BEFORE)
    seen = reading(schedule, None, HOURS, MIDNIGHT)
    assert {*seen.keys("2025-11-02-01:00"), *seen.keys("2025-11-02-01:00-0500")} == {"2025-11-02"}
    outcomes = Timeline("snapshots/outcomes", schedule.calendar, NEXT_MORNING)
    with pytest.raises(ConfigurationError, match=r"snapshots/outcomes.*into the future.*lookback=1.*2 back"):
        reading(outcomes, None, HOURS, MIDNIGHT)


def test_zones_do_not_mix() -> None:
    berlin = Timeline("x/y", Calendar(Cadence.DAILY, "2025-01-05", "Europe/Berlin"), NOON_BEFORE)
    with pytest.raises(ConfigurationError, match=r"x/y has daily .*Berlin.*New_York.*one time zone"):
        reading(berlin, 1, NEW_YORK, EVENING_BEFORE)


def test_months_of_hours_are_mapped_however_long_they_are() -> None:
    hours = Calendar(Cadence.HOURLY, "2010-04-01-00:00", "UTC")
    seen = reading(Timeline("x/y", hours, Offset.parse("5d 1h")), "1 month", hours, MIDNIGHT)
    own = "2010-06-05-00:00"
    assert len(seen.keys(own)) == 31 * 24
    assert {*seen.keys(own)} <= {*mapped(seen, hours, own)}


def test_a_week_is_read_by_its_days_only_once_it_is_over() -> None:
    """Known at the end of a week, it is the newest on the days after: never the week that a day lies in."""
    weekly = Timeline("x/y", Calendar(Cadence.WEEKLY, "2025-01-05", "America/New_York"), Offset.parse("7d"))
    with pytest.raises(ConfigurationError, match=r"into the future.*lookback=1"):
        reading(weekly, None, NEW_YORK, EVENING_BEFORE)
    seen = reading(weekly, 1, NEW_YORK, EVENING_BEFORE)
    assert seen.keys("2025-01-19") == ["2025-01-05"], "the evening before, the week is not over"
    assert seen.keys("2025-01-20") == ["2025-01-12"]
    assert seen.keys("2025-01-25") == ["2025-01-12"]


def test_a_country_that_changes_its_rules_is_looked_at_as_it_is_now() -> None:
    """Egypt kept one time from 2015 to 2022: 24 hours after midnight were midnight, and are not always now."""
    cairo = Calendar(Cadence.DAILY, "2015-06-01", "Africa/Cairo")
    assert lag(cairo, Offset.parse("24h"), cairo, Offset.parse("1d 00:30")) == 1
