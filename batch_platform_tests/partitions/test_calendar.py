"""Calendars agree with Dagster's, keys stand in the order of time, and no malformed key passes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError, PartitionKeyError
from batch_platform.lake.store import SAFE_NAME
from batch_platform.partitions import Cadence, Calendar
from batch_platform_tests.calendars import HOURLY_ZONES, calendars

STEP = {Cadence.HOURLY: 1 / 24, Cadence.DAILY: 1, Cadence.WEEKLY: 7, Cadence.MONTHLY: 31}


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


@pytest.mark.parametrize("zone", HOURLY_ZONES)
@pytest.mark.parametrize("year", [2011, 2024])
def test_hours_are_those_of_dagster_through_every_clock_change_of_years(zone: str, year: int) -> None:
    """Each is an hour of real time, and its key sorts as it follows: the lake and SQL compare keys as text."""
    calendar = Calendar(Cadence.HOURLY, f"{year}-01-01-00:00", zone)
    now = calendar.start_of(f"{year + 2}-01-15-00:00")
    keys = list(calendar.definition.get_partition_keys(current_time=now))
    assert calendar.keys_between(calendar.first, calendar.latest(now)) == keys == sorted(keys)
    assert len({*keys}) == len(keys) > 2 * 365 * 24
    starts = [calendar.start_of(key).timestamp() for key in keys]
    assert {later - earlier for earlier, later in pairwise(starts)} == {3600.0}
    repeated = [key for key in keys if len(key) > len("2025-01-01-00:00")]
    around = {keys[index + step] for index, key in enumerate(keys) if key in repeated for step in (-2, -1, 0, 1, 2)}
    around |= {key for key, start in zip(keys, starts, strict=True) if clock_moved(calendar, start)}
    for key in sorted(around | {*keys[::997]}):
        window, theirs = calendar.window(key), calendar.definition.time_window_for_partition_key(key)
        assert (window.start.timestamp(), window.end.timestamp()) == (theirs.start.timestamp(), theirs.end.timestamp())
        assert calendar.key_at(window.start.astimezone(UTC) + timedelta(minutes=59)) == key
        assert calendar.key_from(window.start) == key
        assert SAFE_NAME.fullmatch(key), "a partition's folder is called by its key"
        later = keys[min(keys.index(key) + 100, len(keys) - 1)]
        assert calendar.shift(key, calendar.steps(key, later)) == later
        assert calendar.shift(later, calendar.steps(later, key)) == key


def clock_moved(calendar: Calendar, start: float) -> bool:
    before, after = (datetime.fromtimestamp(start + hours * 3600, calendar.zone) for hours in (-2, 2))
    return before.utcoffset() != after.utcoffset()


def test_the_hour_that_comes_twice_has_two_keys_and_the_one_that_is_skipped_none() -> None:
    hours = Calendar(Cadence.HOURLY, "2025-01-01-00:00", "America/New_York")
    autumn = ["2025-11-02-00:00", "2025-11-02-01:00", "2025-11-02-01:00-0500", "2025-11-02-02:00"]
    assert hours.keys_between(autumn[0], autumn[-1]) == autumn == sorted(autumn)
    assert hours.keys_between("2025-03-09-01:00", "2025-03-09-03:00") == ["2025-03-09-01:00", "2025-03-09-03:00"]
    for strange in ("2025-03-09-02:00", "2025-11-02-01:00-0400", "2025-11-02-02:00-0500", "2025-11-02-01:00-05:00"):
        with pytest.raises(PartitionKeyError):
            hours.window(strange)


@pytest.mark.parametrize(("zone", "by"), [("Australia/Lord_Howe", "0.5 hours"), ("Antarctica/Troll", "2 hours")])
def test_hours_are_refused_where_their_keys_would_not_tell_them_apart(zone: str, by: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{zone}.*{by}.*UTC"):
        Calendar(Cadence.HOURLY, "2025-01-01-00:00", zone)
    assert Calendar(Cadence.DAILY, "2025-01-01", zone).first == "2025-01-01"


@given(calendars(), st.integers(-50, 500), st.integers(0, 86400))
def test_the_key_from_a_moment_on_is_the_first_that_begins_there(calendar: Calendar, skip: int, second: int) -> None:
    moment = calendar.start_of(calendar.shift(calendar.first, skip)).astimezone(UTC) + timedelta(seconds=second)
    found = calendar.key_from(moment)
    before = calendar.shift(found, -1)
    assert calendar.start_of(before).timestamp() < moment.timestamp() <= calendar.start_of(found).timestamp()


def test_cadences_are_ordered_from_fine_to_coarse() -> None:
    for number, cadence in enumerate(Cadence):
        assert [other for other in Cadence if cadence.finer_than(other)] == list(Cadence)[number + 1 :]


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
    "2025-01-07'; drop table x; --", "null", "2025-W01-1", "2025-01-07-12:00-0500", "2025-01-07-12:00Z",
    "2025-01-07-25:00", "2025-01-07-12:00+99:00", "2025-01-07-12:00+9999",
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
        (Cadence.HOURLY, "2025-01-06-00:00", "Australia/Lord_Howe", 0),
        (Cadence.HOURLY, "2025-01-06-00:00", "Antarctica/Troll", 0),
        (Cadence.HOURLY, "2025-01-06-00:00+1", "UTC", 0),
        (Cadence.HOURLY, "2016-01-06-00:00", "Asia/Pyongyang", 0),
        (Cadence.DAILY, "2025-01-06", "UTC", -1),
    ],
)
def test_a_calendar_that_cannot_be_is_refused(cadence: Cadence, start: str, zone: str, ahead: int) -> None:
    with pytest.raises(ConfigurationError):
        Calendar(cadence, start, zone, ahead)
