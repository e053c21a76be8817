"""Ordinary weeks: every partition once, as soon as its inputs allow, in as few runs as can be."""

from __future__ import annotations

from dataclasses import replace
from datetime import time

from batch_platform_tests.simulation.days import days_from, running_shop
from batch_platform_tests.simulation.shop import (
    CLICK_DAYS,
    CLICKS,
    CUSTOMERS,
    MODEL,
    ORDERS,
    REGISTER,
    REPORT,
    SCORES,
    Shop,
)


def test_nothing_runs_while_nothing_happens() -> None:
    world = running_shop()
    world.until("2025-03-10 23:00")
    assert world.runs == []
    assert world.decision is not None and not any(world.decision.owed.values())


def test_a_month_makes_each_partition_exactly_once() -> None:
    world = running_shop()
    world.until("2025-04-10 12:00")
    days = days_from("2025-03-10", 32)
    assert world.made(ORDERS) == dict.fromkeys(days[:-1], 1)
    assert world.made(CUSTOMERS) == dict.fromkeys(days[1:], 1)
    assert world.made(SCORES) == dict.fromkeys(days[1:], 1)
    assert world.made(MODEL) == {"2025-04-01": 1}
    assert world.made(REPORT) == dict.fromkeys(["2025-03-09", "2025-03-16", "2025-03-23", "2025-03-30"], 1)
    assert world.made(REGISTER) == {}
    assert not any(run.failed for run in world.runs)


def test_each_partition_starts_as_soon_as_it_can_be_made_and_is_there_by_its_deadline() -> None:
    world = running_shop()
    world.until("2025-04-10 12:00")
    for day in days_from("2025-03-11", 31):
        scored = world.first_made(SCORES, day)
        assert scored.date().isoformat() == day
        assert time(3) <= scored.time() < time(3, 1)


def test_features_and_predictions_of_a_day_share_one_run() -> None:
    world = running_shop()
    world.until("2025-03-20 12:00")
    together = [run for run in world.runs if run.tables == (CUSTOMERS, SCORES)]
    assert [run.keys for run in together] == [(day,) for day in days_from("2025-03-11", 10)]
    assert world.runs_of(CUSTOMERS) == together == world.runs_of(SCORES)


def test_a_new_model_comes_before_the_predictions_that_it_serves() -> None:
    world = running_shop()
    world.until("2025-04-02 12:00")
    assert world.first_made(MODEL, "2025-04-01") < world.first_made(SCORES, "2025-04-01")
    scores = world.books.made(SCORES, ["2025-03-31", "2025-04-01"])
    assert [made.model for made in scores.values()] == ["2025-03-01/1", "2025-04-01/1"]


def test_a_fresh_project_builds_itself_with_all_the_history_that_it_needs() -> None:
    world = running_shop()
    world.books.tables.clear()
    world.promoted.clear()
    world.until("2025-03-10 18:00")
    # The reports of four weeks ask for scores of days beyond their own horizon, these for features and models, and
    # these for orders from the first day on.
    assert sorted(world.made(SCORES)) == days_from("2025-02-09", 30)
    assert sorted(world.made(MODEL)) == ["2025-02-01", "2025-03-01"]
    assert sorted(world.made(ORDERS)) == days_from("2025-01-01", 68)
    assert max(world.made(CUSTOMERS).values()) == max(world.made(ORDERS).values()) == 1
    assert len(world.runs) < 25
    assert not any(run.failed for run in world.runs)


def test_hours_become_known_hour_by_hour_and_a_day_of_them_once() -> None:
    world = running_shop(Shop(clicks=True))
    world.until("2025-03-12 12:00")
    assert set(world.made(CLICKS).values()) == {1} and len(world.made(CLICKS)) == 48
    assert world.made(CLICK_DAYS) == {"2025-03-10": 1, "2025-03-11": 1}
    assert world.first_made(CLICK_DAYS, "2025-03-11").time() >= time(1, 30)


def test_a_table_that_is_switched_off_is_left_alone() -> None:
    world = running_shop()
    rules = world.tables[REPORT].rules
    world.tables[REPORT] = replace(world.tables[REPORT], rules=replace(rules, enabled=False))
    world.until("2025-03-20 12:00")
    assert world.runs_of(REPORT) == []
    assert len(world.made(SCORES)) == 10
