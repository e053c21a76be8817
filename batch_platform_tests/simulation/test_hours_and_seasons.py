"""Clocks that are set forward and back, ends of months, leap days; and batch windows, which are times of day."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from batch_platform.schedules.holds import Hold
from batch_platform.schedules.spans import parse_span
from batch_platform.schedules.windows import Named, Windows
from batch_platform_tests.simulation.days import days_from, running_shop
from batch_platform_tests.simulation.shop import CLICK_DAYS, CLICKS, CUSTOMERS, MODEL, ORDERS, SCORES, Shop
from batch_platform_tests.simulation.stages import File

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Windows((Named("night", (parse_span("night", begins="22:00", ends="05:00", timezone="Europe/Berlin"),)),))


@pytest.mark.parametrize(
    ("zone", "begin", "hours"),
    [
        ("Europe/Berlin", "2025-03-29 12:00", 23),
        ("Europe/Berlin", "2025-10-25 12:00", 25),
        ("America/New_York", "2025-03-08 12:00", 23),
        ("America/New_York", "2025-11-01 12:00", 25),
    ],
)
def test_each_hour_of_a_day_on_which_the_clock_changes_is_made_once(zone: str, begin: str, hours: int) -> None:
    start = f"{int(begin[:4]) - (begin[5:7] < '04')}-12-01" if begin[5:7] < "04" else f"{begin[:4]}-08-01"
    world = running_shop(Shop(zone=zone, start=start, clicks=True), begin, days=5)
    day = days_from(begin[:10], 2)[1]
    world.until(f"{days_from(begin[:10], 4)[3]} 12:00")
    assert len([key for key in world.made(CLICKS) if key.startswith(day)]) == hours
    assert set(world.made(CLICKS).values()) == {1}
    assert world.made(CLICK_DAYS)[day] == 1
    assert not any(run.failed for run in world.runs)


@pytest.mark.parametrize(
    ("zone", "begin"),
    [
        ("Europe/Berlin", "2025-03-28 12:00"),
        ("Europe/Berlin", "2025-10-24 12:00"),
        ("America/New_York", "2025-03-07 12:00"),
        ("America/New_York", "2025-10-31 12:00"),
        ("Australia/Lord_Howe", "2025-04-04 12:00"),
        ("Australia/Lord_Howe", "2025-10-03 12:00"),
    ],
)
def test_each_day_around_a_change_of_the_clock_is_made_once_at_its_hour(zone: str, begin: str) -> None:
    world = running_shop(Shop(zone=zone), begin, days=6)
    days = days_from(begin[:10], 5)[1:]
    world.until(f"{days[-1]} 12:00")
    assert world.made(SCORES) == dict.fromkeys(days, 1)
    # Where the clock is set forward over three in the morning, three is when it has been set.
    assert [f"{world.first_made(SCORES, day):%H:%M}" for day in days] == ["03:00"] * 4


@pytest.mark.parametrize(
    ("begin", "days"),
    [
        ("2025-04-28 12:00", ["2025-04-29", "2025-04-30", "2025-05-01", "2025-05-02"]),
        ("2028-02-27 12:00", ["2028-02-28", "2028-02-29", "2028-03-01", "2028-03-02"]),
        ("2026-12-30 12:00", ["2026-12-31", "2027-01-01", "2027-01-02"]),
    ],
)
def test_ends_of_months_and_leap_days_are_days_like_others(begin: str, days: list[str]) -> None:
    year = int(begin[:4])
    start = f"{year}-10-01" if begin[5:7] == "12" else f"{year - 1}-12-01" if begin[5:7] == "02" else f"{year}-02-01"
    world = running_shop(Shop(start=start), begin, days=6)
    world.until(f"{days[-1]} 12:00")
    assert world.made(SCORES) == dict.fromkeys(days, 1)
    (month,) = {day[:8] + "01" for day in days if day[:8] != begin[:8]}
    assert world.made(MODEL) == {month: 1}


def test_a_batch_window_keeps_corrections_for_the_night() -> None:
    world = running_shop(Shop(window="night"))
    world.closed_until = NIGHT.closed_until
    world.at("2025-03-10 14:00", lambda: world.put(ORDERS, "2025-03-07", File("corrected")))
    world.until("2025-03-10 21:00")
    assert world.decision is not None
    held = world.decision.held[CUSTOMERS, "2025-03-08"]
    assert (held.hold, held.until) == (Hold.WINDOW, datetime(2025, 3, 10, 22, tzinfo=BERLIN))
    assert [run.tables for run in world.runs] == [(ORDERS,)]
    world.until("2025-03-10 23:00")
    assert world.made(SCORES) == dict.fromkeys(days_from("2025-03-08", 3), 1)


@pytest.mark.parametrize(("seconds", "begun"), [(1.0, ["11:57:50", "11:59:00"]), (1800.0, ["10:57:50", "11:29:00"])])
def test_a_deadline_opens_the_window_in_time_for_what_recent_runs_took(seconds: float, begun: list[str]) -> None:
    world = running_shop(Shop(window="night", due="12:00"), without=["2025-03-10"])
    world.closed_until = NIGHT.closed_until
    world.seconds |= {CUSTOMERS: seconds, SCORES: seconds}
    world.at("2025-03-11 07:00", lambda: world.put(ORDERS, "2025-03-10", File("late")))
    world.until("2025-03-11 20:00")
    runs = [*world.runs_of(CUSTOMERS), *world.runs_of(SCORES)]
    assert [f"{run.asked.astimezone(BERLIN):%H:%M:%S}" for run in runs] == begun
    assert world.first_made(SCORES, "2025-03-11").hour < 12


def test_a_blackout_is_kept_whatever_the_deadline_says() -> None:
    world = running_shop()
    span = parse_span("freeze", begins="2025-03-11 00:00", ends="2025-03-11 08:00", timezone="Europe/Berlin")
    world.closed_until = Windows(blackouts=(Named("freeze", (span,)),)).closed_until
    world.until("2025-03-11 12:00")
    assert {f"{run.asked.astimezone(BERLIN):%H:%M}" for run in world.runs} == {"08:00"}
    assert world.made(SCORES) == {"2025-03-11": 1}
