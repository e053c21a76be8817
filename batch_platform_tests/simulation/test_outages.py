"""Sources, the daemon and the lake fail for days; what was missed is made good within the horizon, today first."""

from __future__ import annotations

from batch_platform_tests.simulation.days import days_from, running_shop
from batch_platform_tests.simulation.history import Run
from batch_platform_tests.simulation.shop import CUSTOMERS, ORDERS, REPORT, SCORES, Shop
from batch_platform_tests.simulation.stages import File
from batch_platform_tests.simulation.world import World

AWAY = days_from("2025-03-11", 3)


def since(world: World, moment: str) -> list[Run]:
    return [run for run in world.runs if run.asked >= world.local(moment)]


def come_back(world: World, days: list[str]) -> None:
    for day in days:
        world.put(ORDERS, day, File(f"{ORDERS} of {day}"))


def test_a_source_that_was_away_for_three_days_is_made_good_in_few_runs() -> None:
    world = running_shop(without=AWAY)
    world.at("2025-03-14 10:00", lambda: come_back(world, AWAY))
    world.until("2025-03-14 12:00")
    assert world.made(ORDERS) == dict.fromkeys(["2025-03-10", *AWAY], 1)
    assert world.made(SCORES) == dict.fromkeys(days_from("2025-03-11", 4), 1)
    # The report of a week waits for the whole week and is the only thing that is not made yet.
    healed = [(run.tables, run.keys) for run in since(world, "2025-03-14 10:00")]
    assert healed == [
        ((ORDERS,), ("2025-03-13",)),
        ((ORDERS,), ("2025-03-11", "2025-03-12")),
        ((CUSTOMERS, SCORES), ("2025-03-14",)),
        ((CUSTOMERS, SCORES), ("2025-03-12", "2025-03-13")),
    ]


def test_a_daemon_that_was_away_for_two_days_goes_on_where_it_stopped() -> None:
    world = running_shop()
    world.at("2025-03-12 01:00", lambda: setattr(world, "daemon_up", False))
    world.at("2025-03-14 10:00", lambda: setattr(world, "daemon_up", True))
    world.until("2025-03-14 12:00")
    assert world.made(SCORES) == dict.fromkeys(days_from("2025-03-11", 4), 1)
    first, *_ = since(world, "2025-03-14 10:00")
    assert first.keys == ("2025-03-13",)
    assert world.first_made(SCORES, "2025-03-14") < world.first_made(SCORES, "2025-03-12")


def test_a_lake_that_cannot_be_read_costs_no_attempt() -> None:
    world = running_shop()
    world.at("2025-03-12 01:00", lambda: setattr(world, "lake_up", False))
    world.at("2025-03-13 10:00", lambda: setattr(world, "lake_up", True))
    world.until("2025-03-13 12:00")
    assert since(world, "2025-03-12 01:00")[0].asked >= world.local("2025-03-13 10:00")
    assert world.made(SCORES) == dict.fromkeys(days_from("2025-03-11", 3), 1)


def test_a_lake_that_fails_under_runs_is_tried_again() -> None:
    world = running_shop()
    world.at("2025-03-11 03:00:05.500", lambda: setattr(world, "lake_up", False))
    world.at("2025-03-11 03:30", lambda: setattr(world, "lake_up", True))
    world.until("2025-03-11 04:00")
    assert world.made(SCORES)["2025-03-11"] == 1
    assert world.tries(CUSTOMERS, "2025-03-11") == 2


def test_what_lies_beyond_the_horizon_is_made_only_for_what_reads_it() -> None:
    away = days_from("2025-03-11", 12)
    world = running_shop(Shop(horizon="4 days"), without=away)
    world.at("2025-03-23 10:00", lambda: come_back(world, away))
    world.until("2025-03-23 23:00")
    scored = sorted(key for key in world.made(SCORES) if key > "2025-03-11")
    # The reports of both weeks are within their own horizon of weeks, and ask for their days.
    assert scored == days_from("2025-03-12", 12)
    assert world.made(REPORT) == {"2025-03-09": 1, "2025-03-16": 1}
    assert set(world.made(ORDERS)) == {"2025-03-10", *away}


def test_beyond_the_horizon_what_nobody_needs_stays_missing() -> None:
    away = days_from("2025-03-11", 12)
    world = running_shop(Shop(horizon="4 days"), without=away)
    del world.tables[REPORT]
    world.at("2025-03-23 10:00", lambda: come_back(world, away))
    world.until("2025-03-23 23:00")
    assert sorted(world.made(SCORES)) == ["2025-03-11", *days_from("2025-03-20", 4)]
