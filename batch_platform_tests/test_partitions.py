"""Calendars agree with Dagster's, no malformed key passes, and no reader ever sees the future."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError, PartitionKeyError
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.timelines import Reading, Timeline, lag, newest_known, reading

ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Sydney", "Australia/Lord_Howe"]
MIDNIGHT_GAPS = ["America/Havana", "America/Santiago", "Africa/Cairo", "Asia/Beirut"]  # some days begin at one
DATES = st.dates(date(2015, 1, 1), date(2034, 12, 31))
PAST = st.dates(date(2010, 1, 1), date(2018, 12, 31))  # Dagster asks the clock before it makes a subset
STEP = {Cadence.HOURLY: 1 / 24, Cadence.DAILY: 1, Cadence.WEEKLY: 7, Cadence.MONTHLY: 31}


@st.composite
def calendars(draw: st.DrawFn, zones: tuple[str, ...] = (*ZONES, *MIDNIGHT_GAPS)) -> Calendar:
    """Any cadence from any date on, also one on which no week or month begins."""
    cadence = draw(st.sampled_from(Cadence))
    start = draw(DATES).isoformat()
    if cadence is Cadence.HOURLY:
        return Calendar(cadence, f"{start}-{draw(st.integers(0, 23)):02}:00", ahead=draw(st.integers(0, 3)))
    return Calendar(cadence, start, draw(st.sampled_from(zones)), draw(st.integers(0, 3)))


@st.composite
def offsets(draw: st.DrawFn) -> Offset:
    days, hours = draw(st.integers(-40, 70)), draw(st.integers(-80, 80))
    clock = draw(st.none() | st.times().map(lambda t: f"{t:%H:%M}"))
    parts = [f"{days:+}d" if draw(st.booleans()) else "", f"{hours}h" if draw(st.booleans()) else "", clock or ""]
    return Offset.parse(" ".join(part for part in parts if part) or "0d")


def moment_after(calendar: Calendar, partitions: float) -> datetime:
    return calendar.start_of(calendar.first) + timedelta(days=partitions * STEP[calendar.cadence])


def key_of(calendar: Calendar, start: datetime) -> str:
    return start.astimezone(ZoneInfo(calendar.timezone)).strftime(calendar.key_format)


@given(calendars(), st.floats(0, 70))
def test_keys_are_those_of_dagster(calendar: Calendar, partitions: float) -> None:
    """Which partitions exist at a moment, the first and the newest, with those ahead of their time."""
    now = moment_after(calendar, partitions)
    keys = list(calendar.definition.get_partition_keys(current_time=now))
    newest = calendar.latest(now)
    assert calendar.keys_between(calendar.first, newest) == keys
    if keys:
        assert (calendar.first, newest) == (keys[0], keys[-1])
        assert calendar.shift(keys[0], len(keys) - 1) == keys[-1]
        assert calendar.shift(keys[-1], 1 - len(keys)) == keys[0]


@given(calendars(), st.integers(0, 500))
def test_windows_are_those_of_dagster_and_cover_all_time_once(calendar: Calendar, skip: int) -> None:
    """Half a year of days from anywhere spans a clock change in every zone that has them."""
    first = calendar.shift(calendar.first, skip)
    keys = calendar.keys_between(first, calendar.shift(first, 30))
    windows = [calendar.window(key) for key in keys]
    theirs = [calendar.definition.time_window_for_partition_key(key) for key in keys]
    assert [(w.start.timestamp(), w.end.timestamp()) for w in windows] == [
        (w.start.timestamp(), w.end.timestamp()) for w in theirs
    ]
    assert all(one.end.timestamp() == two.start.timestamp() for one, two in pairwise(windows))
    for key, window in zip(keys, windows, strict=True):
        assert key_of(calendar, window.start) == key
        assert window.start.timestamp() == calendar.start_of(key).timestamp()
        last = datetime.fromtimestamp(window.end.timestamp() - 1, UTC)
        assert calendar.key_at(window.start.astimezone(UTC)) == calendar.key_at(last) == key


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", "2025-03-09", 23),
        ("America/New_York", "2025-11-02", 25),
        ("Europe/Berlin", "2025-03-30", 23),
    ],
)
def test_a_day_with_a_clock_change_is_an_hour_shorter_or_longer(zone: str, day: str, hours: int) -> None:
    window = Calendar(Cadence.DAILY, "2025-01-06", zone).window(day)
    assert window.end.timestamp() - window.start.timestamp() == hours * 3600


BAD_KEYS = [
    "", " ", "2025", "2025-1-7", "2025-13-01", "2025-02-29", "2025-00-10", "../x", "/etc/passwd", "2025-01-06/..",
    "2025-01-06/../..", "..", "2025-01-07\n", " 2025-01-07", "2025-01-07 ", "2025-01-07\0", "a" * 1000, "-001-01-01",
    "\u0662\u0660\u0662\u0665-01-07", "\uff12025-01-07",
    "2025-01-07T00:00", "2025-01-07-12:30", "20250107", "%Y-%m-%d", "9999-12-31", "0001-01-01",
    "2025-01-07'; drop table x; --", "null",
]  # fmt: skip


@pytest.mark.parametrize("cadence", list(Cadence))
@pytest.mark.parametrize("key", BAD_KEYS)
def test_malformed_keys_are_refused_in_one_short_line(cadence: Cadence, key: str) -> None:
    calendar = Calendar(cadence, "2025-01-01-00:00" if cadence is Cadence.HOURLY else "2025-01-01")
    with pytest.raises(PartitionKeyError) as caught:
        calendar.window(key)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("cadence", "key"),
    [
        (Cadence.WEEKLY, "2025-01-06"),
        (Cadence.MONTHLY, "2025-02-02"),
        (Cadence.HOURLY, "2025-01-07-12:30"),
        (Cadence.DAILY, "2024-12-31"),
    ],
)
def test_keys_at_which_no_partition_starts_are_refused(cadence: Cadence, key: str) -> None:
    calendar = Calendar(cadence, "2025-01-01-00:00" if cadence is Cadence.HOURLY else "2025-01-01")
    with pytest.raises(PartitionKeyError):
        calendar.window(key)


@given(st.text(max_size=20))
def test_only_what_dagster_calls_a_key_passes(key: str) -> None:
    with pytest.raises(PartitionKeyError):
        Calendar(Cadence.DAILY, "2025-01-06").window(key)


@pytest.mark.parametrize(
    ("cadence", "start", "zone", "ahead"),
    [
        (Cadence.DAILY, "2025-1-6", "UTC", 0),
        (Cadence.DAILY, "6 Jan 2025", "UTC", 0),
        (Cadence.HOURLY, "2025-01-06", "UTC", 0),
        (Cadence.DAILY, "2025-01-06", "Mars/Olympus", 0),
        (Cadence.DAILY, "2025-01-06", "../../etc/passwd", 0),
        (Cadence.DAILY, "2025-01-06", "", 0),
        (Cadence.HOURLY, "2025-01-06-00:00", "Europe/Berlin", 0),
        (Cadence.DAILY, "2025-01-06", "UTC", -1),
    ],
)
def test_a_calendar_that_cannot_be_is_refused(cadence: Cadence, start: str, zone: str, ahead: int) -> None:
    with pytest.raises(ConfigurationError):
        Calendar(cadence, start, zone, ahead)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-1d 18:00", "2025-01-05T18:00"),
        ("+1d", "2025-01-07T00:00"),
        ("6h", "2025-01-06T06:00"),
        ("-6h", "2025-01-05T18:00"),
        ("06:00", "2025-01-06T06:00"),
        ("6:00", "2025-01-06T06:00"),
        (" 2d 3h 12:30 ", "2025-01-08T15:30"),
        ("0d", "2025-01-06T00:00"),
    ],
)
def test_offsets_that_are_understood(text: str, expected: str) -> None:
    assert Offset.parse(text).after(datetime(2025, 1, 6)) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "d",
        "1",
        "-1",
        "1w",
        "1.5d",
        "25:00",
        "12:60",
        "18:5",
        "12:00 -1d",
        "1d 1d",
        "-",
        "\u0663d",
        "1d\n2d",
        "noon",
    ],
)
def test_offsets_that_are_not(text: str) -> None:
    with pytest.raises(ConfigurationError):
        Offset.parse(text)


def test_offsets_keep_the_wall_clock_across_clock_changes() -> None:
    start = datetime(2025, 3, 10, tzinfo=ZoneInfo("America/New_York"))
    assert Offset.parse("-1d 18:00").after(start).isoformat() == "2025-03-09T18:00:00-04:00"
    assert Offset.parse("-2d 18:00").after(start).isoformat() == "2025-03-08T18:00:00-05:00"


@given(calendars(tuple(ZONES)), offsets(), st.floats(-20, 80))
def test_the_newest_known_partition_is_known_and_the_next_is_not(
    calendar: Calendar, available: Offset, partitions: float
) -> None:
    decision = moment_after(calendar, partitions).astimezone(UTC)
    key = newest_known(calendar, available, decision)
    assert available.after(calendar.start_of(key)) <= decision
    assert available.after(calendar.start_of(calendar.shift(key, 1))) > decision


@settings(max_examples=25)
@given(st.sampled_from(Cadence), DATES, st.sampled_from(ZONES), st.sampled_from(ZONES), offsets(), offsets(), st.data())
def test_no_reader_ever_sees_what_is_known_only_after_its_decision(
    cadence: Cadence, start: date, zone: str, other: str, available: Offset, known_at: Offset, data: st.DataObject
) -> None:
    """In one zone or in two, in any season; in one zone the lag is also no longer than it must be."""
    hourly = cadence is Cadence.HOURLY
    first = f"{start.isoformat()}-00:00" if hourly else start.isoformat()
    reader = Calendar(cadence, first, "UTC" if hourly else zone)
    source = Calendar(cadence, first, "UTC" if hourly else other)
    distance = lag(source, available, reader, known_at)
    tight = False
    for step in data.draw(st.lists(st.integers(0, 1500 if cadence is Cadence.DAILY else 300), min_size=5, max_size=5)):
        own = reader.shift(reader.first, step)
        decision = known_at.after(reader.start_of(own)).timestamp()
        read = source.start_of(source.shift(own, -distance))
        assert available.after(read).timestamp() <= decision or clock_is_unsteady(available.after(read))
        following = source.start_of(source.shift(own, 1 - distance))
        tight = tight or available.after(following).timestamp() > decision
    if zone == other and cadence in (Cadence.DAILY, Cadence.WEEKLY):
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


def test_cadences_do_not_mix() -> None:
    weekly = Timeline("x/y", Calendar(Cadence.WEEKLY, "2025-01-05", "America/New_York"), NOON_BEFORE)
    with pytest.raises(ConfigurationError, match="daily table cannot read weekly"):
        reading(weekly, 1, NEW_YORK, EVENING_BEFORE)


def test_a_table_without_partitions_is_read_whole() -> None:
    seen = reading(Timeline("x/y", None, None), None, NEW_YORK, EVENING_BEFORE)
    assert seen.keys("2025-03-10") == [""]
    assert seen.mapping() is None


@given(
    st.sampled_from(list(Cadence)), PAST, PAST, st.sampled_from(ZONES), st.integers(-1, 5), st.integers(0, 9),
    st.integers(0, 60),
)  # fmt: skip
def test_dagster_maps_partitions_onto_the_very_keys_that_are_read(
    cadence: Cadence, start: date, upstream_start: date, zone: str, last: int, width: int, step: int
) -> None:
    """Dagster draws the lineage and waits for upstream partitions by its mapping; we read by our keys."""
    hourly = cadence is Cadence.HOURLY
    if abs((start - upstream_start).days) > 400:
        upstream_start = start
    form = (lambda day: f"{day.isoformat()}-00:00") if hourly else date.isoformat
    reader = Calendar(cadence, form(start), "UTC" if hourly else zone, 1)
    source = Calendar(cadence, form(upstream_start), "UTC" if hourly else zone, 1)
    own = reader.shift(reader.first, step)
    seen = Reading(Timeline("x/y", source, None), last + width, last)
    mapping = seen.mapping()
    assert mapping is not None
    mapped = mapping.get_upstream_mapped_partitions_result_for_partitions(
        reader.definition.subset_with_partition_keys([own]),
        reader.definition,
        source.definition,
        current_time=source.start_of(source.shift(max(own, source.first), 20)),
    )
    assert sorted(mapped.partitions_subset.get_partition_keys()) == seen.keys(own)
