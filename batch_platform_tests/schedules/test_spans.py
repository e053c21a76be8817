"""Declared stretches of time follow the wall clock, over midnight and over clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError
from batch_platform.schedules.spans import DAYS, Daily, Span, parse_span
from batch_platform_tests.calendars import MIDNIGHT_GAPS, ZONES

NEW_YORK = ZoneInfo("America/New_York")
MOMENTS = st.datetimes(datetime(2015, 1, 1), datetime(2034, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))
ALL_ZONES = st.sampled_from([*ZONES, *MIDNIGHT_GAPS, "Africa/Casablanca", "America/St_Johns"])
TIMES = st.times().map(lambda moment: moment.replace(second=0, microsecond=0))


def _at(text: str, zone: ZoneInfo = NEW_YORK) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def _stretches(span: Span, begin: datetime, count: int) -> list[tuple[datetime, datetime]]:
    found = []
    for _ in range(count):
        opens = span.after(begin)
        assert opens is not None
        stretch = span.at(opens)
        assert stretch is not None
        found.append(stretch)
        begin = opens
    return found


@st.composite
def nights(draw: st.DrawFn) -> Daily:
    """Any times of day on any days, also over midnight."""
    opens, closes = draw(TIMES), draw(TIMES)
    if opens == closes:
        closes = time((opens.hour + 1) % 24, opens.minute)
    days = draw(st.sets(st.integers(0, 6), min_size=1))
    return Daily(frozenset(days), opens, closes, ZoneInfo(draw(ALL_ZONES)))


def _shows(night: Daily, moment: datetime) -> bool:
    """Whether the wall clock stands within a night, told without any arithmetic on real time."""
    wall = moment.astimezone(night.zone)
    shown, yesterday = wall.time().replace(tzinfo=None), (wall.weekday() - 1) % 7
    if night.opens < night.closes:
        return wall.weekday() in night.days and night.opens <= shown < night.closes
    return (wall.weekday() in night.days and shown >= night.opens) or (yesterday in night.days and shown < night.closes)


@given(nights(), MOMENTS)
def test_it_covers_every_moment_at_which_the_clock_stands_within_it(night: Daily, moment: datetime) -> None:
    covered = night.at(moment) is not None
    assert covered or not _shows(night, moment)
    near = [(moment + timedelta(hours=hours)).astimezone(night.zone).utcoffset() for hours in range(-26, 27)]
    if len(set(near)) == 1:
        assert covered == _shows(night, moment)


@given(nights(), MOMENTS)
def test_the_next_one_opens_later_and_nothing_opens_in_between(night: Daily, moment: datetime) -> None:
    opens = night.after(moment)
    assert opens is not None and opens > moment
    stretch = night.at(opens)
    assert stretch is not None and stretch[0] == opens and stretch[0] < stretch[1]
    before = night.at(opens - timedelta(seconds=1))
    middle = night.at(moment + (opens - moment) / 2)
    for found in (before, middle):
        assert found is None or found[0] <= moment


def test_a_night_lasts_from_evening_to_morning() -> None:
    night = parse_span("night", begins="22:00", ends="06:00", days="weekdays", timezone="America/New_York")
    assert night.at(_at("2026-06-05 21:59")) is None
    assert night.at(_at("2026-06-05 22:00")) == (_at("2026-06-05 22:00"), _at("2026-06-06 06:00"))  # a Friday
    assert night.at(_at("2026-06-06 05:59")) is not None
    assert night.at(_at("2026-06-06 06:00")) is None
    assert night.at(_at("2026-06-07 23:00")) is None
    assert night.after(_at("2026-06-06 06:00")) == _at("2026-06-08 22:00")


def test_a_beginning_that_is_skipped_is_when_the_clock_is_set_forward() -> None:
    night = parse_span("night", begins="02:30", ends="05:00", timezone="America/New_York")
    assert _stretches(night, _at("2026-03-07 12:00"), 2) == [
        (datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 3, 8, 9, tzinfo=UTC)),  # three to five
        (_at("2026-03-09 02:30"), _at("2026-03-09 05:00")),
    ]


def test_a_stretch_that_the_clock_skips_altogether_does_not_come_that_night() -> None:
    night = parse_span("night", begins="02:10", ends="02:50", timezone="America/New_York")
    assert night.after(_at("2026-03-07 12:00")) == _at("2026-03-09 02:10")


def test_an_hour_that_repeats_belongs_to_it_both_times() -> None:
    night = parse_span("night", begins="01:30", ends="01:45", timezone="America/New_York")
    found = _stretches(night, _at("2026-10-31 12:00"), 1)
    assert found == [(datetime(2026, 11, 1, 5, 30, tzinfo=UTC), datetime(2026, 11, 1, 6, 45, tzinfo=UTC))]


def test_midnight_can_be_told_as_the_end_of_a_day() -> None:
    weekend = parse_span("weekend", begins="00:00", ends="24:00", days="weekends")
    assert weekend.at(_at("2026-06-07 23:59", ZoneInfo("UTC"))) is not None
    assert weekend.at(_at("2026-06-08 00:00", ZoneInfo("UTC"))) is None


def test_a_cron_expression_lasts_as_long_in_real_time_as_it_says() -> None:
    night = parse_span("night", cron="0 22 * * 6", lasts="8h", timezone="America/New_York")
    assert _stretches(night, _at("2026-03-07 12:00"), 1) == [(_at("2026-03-07 22:00"), _at("2026-03-08 07:00"))]


def test_strikes_that_come_before_the_last_one_is_over_go_on() -> None:
    hours = parse_span("hours", cron="0 * * * *", lasts="90m")
    assert hours.at(datetime(2026, 1, 1, 5, 20, tzinfo=UTC)) == (
        datetime(2026, 1, 1, 5, tzinfo=UTC),
        datetime(2026, 1, 1, 6, 30, tzinfo=UTC),
    )


def test_dates_are_those_of_the_zone() -> None:
    holidays = parse_span("holidays", begins="2026-12-24", ends="2026-12-27 00:00", timezone="America/New_York")
    assert holidays.at(datetime(2026, 12, 24, 4, 59, tzinfo=UTC)) is None
    assert holidays.at(datetime(2026, 12, 24, 5, tzinfo=UTC)) is not None
    assert holidays.at(datetime(2026, 12, 27, 5, tzinfo=UTC)) is None
    assert holidays.after(datetime(2026, 12, 25, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("declared", "what"),
    [
        ({"begins": "22:00", "ends": "06:00", "timezone": "Mars/Olympus"}, "unknown time zone 'Mars/Olympus'"),
        ({"begins": "22:00", "ends": "06:00", "timezone": "../../etc/passwd"}, "unknown time zone"),
        ({"begins": "22:00", "ends": "22:00"}, "it begins and ends at 22:00"),
        ({"begins": "25:00", "ends": "06:00"}, "'25:00' is no time of day"),
        ({"begins": "10 pm", "ends": "06:00"}, "'10 pm' is no time of day"),
        ({"begins": "22:00", "ends": "06:00", "days": "funday"}, "there is no day 'funday'"),
        ({"begins": "22:00", "ends": "06:00", "days": ["mon", "Tuesday"]}, "there is no day 'Tuesday'"),
        ({"begins": "22:00", "ends": "06:00", "days": []}, "it has no days"),
        ({"cron": "every night", "lasts": "8h"}, "'every night' is no cron expression"),
        ({"cron": "0 22 * * *", "lasts": "long"}, "'long' is no length of time"),
        ({"cron": "0 22 * * *", "lasts": "0h"}, "'0h' is no length of time"),
        ({"cron": "0 22 * * *", "lasts": "99999d"}, "'99999d' is no length of time"),
        ({"cron": "0 22 * * *"}, "not said when it begins and ends"),
        ({"begins": "22:00"}, "not said when it begins and ends"),
        ({}, "not said when it begins and ends"),
        ({"begins": "22:00", "ends": "06:00", "cron": "0 22 * * *", "lasts": "8h"}, "not said when"),
        ({"begins": "2026-12-27", "ends": "2026-12-24"}, "it ends at 2026-12-24, not after 2026-12-27"),
        ({"begins": "2026-12-24", "ends": "2026-12-24"}, "not after"),
        ({"begins": "2026-02-30", "ends": "2026-12-24"}, "'2026-02-30' is no date and time"),
        ({"begins": "2026-12-24", "ends": "06:00"}, "'06:00' is no date and time"),
        (
            {"begins": "2026-03-08 02:10", "ends": "2026-03-08 02:50", "timezone": "America/New_York"},
            "the clock of America/New_York skips it",
        ),
    ],
)
def test_what_makes_no_sense_is_one_clear_line(declared: dict[str, str], what: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse_span("batch window night", **declared)  # type: ignore[arg-type]
    assert what in str(refused.value)
    assert str(refused.value).startswith("batch window night: ")
    assert "\n" not in str(refused.value)


def test_days_have_their_names() -> None:
    night = parse_span("night", begins="22:00", ends="06:00", days=list(DAYS))
    assert isinstance(night, Daily) and night.days == frozenset(range(7))
