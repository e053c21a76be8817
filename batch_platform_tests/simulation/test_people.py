"""People start runs, backfills are under way, deploys happen: nothing is made twice, and nothing is forgotten."""

from __future__ import annotations

from dataclasses import replace

from batch_platform.schedules.holds import Hold
from batch_platform.schedules.runs import Priority
from batch_platform_tests.simulation.days import days_from, running_shop
from batch_platform_tests.simulation.shop import CUSTOMERS, ORDERS, REPORT, SCORES, Shop
from batch_platform_tests.simulation.stages import File


def test_a_partition_that_somebody_is_making_is_not_started_a_second_time() -> None:
    world = running_shop()
    world.seconds[CUSTOMERS] = 600
    world.at("2025-03-11 02:59:30", lambda: world.launch((CUSTOMERS,), "2025-03-11"))
    world.until("2025-03-11 03:05")
    assert world.decision is not None
    assert world.decision.held[CUSTOMERS, "2025-03-11"].hold is Hold.RUNNING
    assert world.decision.held[SCORES, "2025-03-11"].hold is Hold.INPUT_RUNNING
    world.until("2025-03-11 12:00")
    assert world.made(CUSTOMERS) == world.made(SCORES) == {"2025-03-11": 1}


def test_what_somebody_made_by_hand_is_not_made_again() -> None:
    world = running_shop()
    world.at("2025-03-10 13:00", lambda: world.launch((CUSTOMERS, SCORES), "2025-02-01", "2025-03-10"))
    world.until("2025-03-10 23:00")
    assert len(world.runs) == 1


def test_today_goes_on_during_a_backfill_and_other_older_days_wait_for_it() -> None:
    world = running_shop(without=["2025-03-10"])
    world.seconds[CUSTOMERS] = 300
    world.at("2025-03-11 09:00", lambda: world.put(ORDERS, "2025-03-10", File("late")))
    world.at("2025-03-12 00:00", lambda: world.launch((CUSTOMERS,), "2025-01-01", "2025-02-28"))
    world.at("2025-03-12 02:30", lambda: world.put(ORDERS, "2025-03-08", File("corrected")))
    world.until("2025-03-12 04:00")
    assert world.decision is not None
    assert world.decision.held[CUSTOMERS, "2025-03-09"].hold is Hold.HEALING
    assert world.first_made(SCORES, "2025-03-12").hour == 3
    world.until("2025-03-12 09:00")
    again = next(run for run in world.runs_of(CUSTOMERS, ["2025-03-09"]))
    # At half past two the 11th was still the newest day, so it did not wait for the backfill.
    assert again.keys == ("2025-03-09", "2025-03-10")
    assert again.priority == Priority.HEALING
    assert not world.outdated(SCORES)


def test_what_is_asked_for_by_name_is_captured_whatever_its_age() -> None:
    world = running_shop()
    world.put(ORDERS, "2025-01-20", File("corrected"))
    world.at("2025-03-10 13:00", lambda: world.asked.update({(ORDERS, "2025-01-20"): 1}))
    world.until("2025-03-10 14:00")
    assert [(run.tables, run.keys) for run in world.runs] == [((ORDERS,), ("2025-01-20",))]


def test_a_table_that_a_deploy_adds_is_made_within_its_horizon() -> None:
    world = running_shop()
    added = replace(world.tables[CUSTOMERS], table="features/loyalty")
    world.at("2025-03-10 13:00", lambda: world.tables.update({"features/loyalty": added}))
    world.until("2025-03-10 23:00")
    assert world.made("features/loyalty") == dict.fromkeys(days_from("2025-03-04", 7), 1)
    assert len(world.runs) == 2


def test_a_table_that_a_deploy_removes_is_forgotten() -> None:
    world = running_shop()
    world.broken.add((REPORT, "2025-03-09"))
    world.until("2025-03-16 08:00")
    assert world.cursor is not None and REPORT in world.cursor
    del world.tables[REPORT]
    world.until("2025-03-17 12:00")
    assert REPORT not in world.cursor


def test_a_deploy_while_a_run_is_under_way_starts_no_twin() -> None:
    world = running_shop()
    world.seconds[CUSTOMERS] = 120
    world.at("2025-03-11 03:01", lambda: world.tables.update(Shop().tables()))
    world.until("2025-03-11 12:00")
    assert world.made(CUSTOMERS) == world.made(SCORES) == {"2025-03-11": 1}
    assert len(world.runs_of(SCORES)) == 1


def test_what_was_removed_from_the_lake_is_made_again() -> None:
    world = running_shop()
    world.at("2025-03-10 13:00", lambda: world.books.tables[SCORES].pop("2025-03-08"))
    world.until("2025-03-10 14:00")
    assert [(run.tables, run.keys) for run in world.runs] == [((SCORES,), ("2025-03-08",))]
