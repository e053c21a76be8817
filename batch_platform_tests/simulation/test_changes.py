"""Late and corrected inputs, registers, models and code: exactly what they affect is made again, and only once."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta

import pytest

from batch_platform.schedules.owed import Reason
from batch_platform.schedules.rules import RerunOn
from batch_platform_tests.simulation.days import days_from, running_shop
from batch_platform_tests.simulation.shop import CUSTOMERS, MODEL, ORDERS, REGISTER, SCORES, Shop
from batch_platform_tests.simulation.stages import File
from batch_platform_tests.simulation.world import World

WEEK = days_from("2025-03-04", 7)


def correct(world: World, day: str, version: str = "corrected") -> None:
    world.put(ORDERS, day, File(f"{ORDERS} of {day}, {version}"))


def test_a_late_file_delays_exactly_what_reads_it() -> None:
    world = running_shop(without=["2025-03-12"])
    world.at("2025-03-13 09:00", lambda: world.put(ORDERS, "2025-03-12", File("late")))
    world.until("2025-03-16 12:00")
    assert world.first_made(SCORES, "2025-03-12").time() < time(3, 1)
    assert time(9) < world.first_made(SCORES, "2025-03-13").time() < time(9, 2)
    assert world.first_made(SCORES, "2025-03-14").time() < time(3, 1)
    assert set(world.made(SCORES).values()) == set(world.made(CUSTOMERS).values()) == {1}


def test_nothing_is_tried_before_a_watched_file_is_there() -> None:
    world = running_shop(without=["2025-03-12"])
    world.until("2025-03-15 12:00")
    assert world.runs_of(ORDERS, ["2025-03-12"]) == []
    assert world.runs_of(CUSTOMERS, ["2025-03-13"]) == []
    assert world.decision is not None
    assert str(world.decision.held[CUSTOMERS, "2025-03-13"]) == "an input is missing: snapshots/orders[2025-03-12]"


def test_after_a_file_that_was_days_late_today_comes_before_the_older_days() -> None:
    world = running_shop(without=["2025-03-12"])
    world.at("2025-03-15 09:00", lambda: world.put(ORDERS, "2025-03-12", File("late")))
    world.until("2025-03-15 12:00")
    late = [run for run in world.runs if f"{run.asked:%Y-%m-%d %H:%M}" >= "2025-03-15 07:00"]
    assert [(run.tables, run.keys) for run in late] == [
        ((ORDERS,), ("2025-03-12",)),
        ((CUSTOMERS, SCORES), ("2025-03-15",)),
        ((CUSTOMERS, SCORES), ("2025-03-13", "2025-03-14")),
    ]
    assert late[1].priority > late[2].priority


def test_a_corrected_day_is_made_again_with_the_rolling_days_after_it_and_nothing_else() -> None:
    world = running_shop()
    world.at("2025-03-10 14:00", lambda: correct(world, "2025-03-07"))
    world.until("2025-03-10 23:00")
    after = dict.fromkeys(days_from("2025-03-08", 3), 1)
    assert world.made(ORDERS) == {"2025-03-07": 1}
    assert world.made(CUSTOMERS) == world.made(SCORES) == after
    assert world.made(MODEL) == {}
    reasons = {reason for run in world.runs for reason in run.reasons}
    assert reasons == {Reason.SOURCE, Reason.INPUTS}


def test_a_correction_is_followed_within_half_a_minute_per_step() -> None:
    world = running_shop()
    world.at("2025-03-10 14:00", lambda: correct(world, "2025-03-09"))
    world.until("2025-03-10 23:00")
    assert world.first_made(SCORES, "2025-03-10") - world.local("2025-03-10 14:00") < timedelta(minutes=2)


def test_a_file_written_again_with_the_same_bytes_is_nothing() -> None:
    world = running_shop()
    world.at("2025-03-10 14:00", lambda: world.put(ORDERS, "2025-03-07", world.files[ORDERS]["2025-03-07"]))
    world.until("2025-03-10 23:00")
    assert world.runs == []


def test_a_file_with_the_same_rows_in_other_bytes_is_captured_and_changes_nothing_else() -> None:
    world = running_shop()
    same = replace(world.files[ORDERS]["2025-03-07"], written="in another order")
    world.at("2025-03-10 14:00", lambda: world.put(ORDERS, "2025-03-07", same))
    world.until("2025-03-10 23:00")
    assert [(run.tables, run.keys) for run in world.runs] == [((ORDERS,), ("2025-03-07",))]


def test_what_comes_out_the_same_from_a_corrected_input_is_made_once_and_nothing_follows() -> None:
    world = running_shop()
    world.blind.add(CUSTOMERS)
    world.settle()
    world.at("2025-03-10 14:00", lambda: correct(world, "2025-03-08"))
    world.until("2025-03-11 01:00")
    assert world.made(CUSTOMERS) == {"2025-03-09": 1, "2025-03-10": 1}
    assert world.made(SCORES) == {}


def test_a_file_that_goes_back_and_forth_is_followed_each_time() -> None:
    world = running_shop()
    for step in range(6):
        version = "corrected" if step % 2 == 0 else "as before"
        moment = world.local("2025-03-10 14:00") + timedelta(minutes=10 * step)
        world.at(moment, lambda version=version: correct(world, "2025-03-07", version))  # type: ignore[misc]
    world.until("2025-03-10 16:00")
    assert world.made(ORDERS) == {"2025-03-07": 6}
    assert set(world.made(SCORES).values()) == {6}
    assert world.repeated == []


@pytest.mark.parametrize("day", ["2025-03-02", "2025-01-20"])
def test_what_lies_before_the_lookback_is_frozen(day: str) -> None:
    world = running_shop()
    world.at("2025-03-10 14:00", lambda: correct(world, day))
    world.until("2025-03-12 12:00")
    assert all(run.reasons == (Reason.MISSING,) for run in world.runs)


def test_the_oldest_day_of_the_lookback_is_made_again_and_the_one_before_is_not() -> None:
    world = running_shop()
    world.at("2025-03-10 14:00", lambda: correct(world, "2025-03-03"))
    world.until("2025-03-10 23:00")
    assert world.made(ORDERS) == {"2025-03-03": 1}
    assert world.made(CUSTOMERS) == dict.fromkeys(WEEK, 1)


def test_thirty_corrected_files_at_once_become_few_range_runs() -> None:
    world = running_shop(Shop(lookback="40 days"))
    for day in days_from("2025-02-08", 30):
        world.at("2025-03-10 14:00", lambda day=day: correct(world, day))  # type: ignore[misc]
    world.until("2025-03-10 23:00")
    assert world.made(ORDERS) == dict.fromkeys(days_from("2025-02-08", 30), 1)
    assert world.made(CUSTOMERS) == dict.fromkeys(days_from("2025-02-09", 30), 1)
    assert set(world.made(SCORES).values()) == {1}
    # Orders, customers, scores and reports: today's by itself, and the older ones in one.
    assert len(world.runs) == 8


def test_a_corrected_file_every_five_seconds_coalesces_while_runs_take_their_time() -> None:
    world = running_shop(Shop(lookback="40 days"))
    world.start_seconds = 40
    begin = world.local("2025-03-10 14:00")
    for step, day in enumerate(days_from("2025-02-08", 30)):
        world.at(begin + timedelta(seconds=5 * step), lambda day=day: correct(world, day))  # type: ignore[misc]
    world.until("2025-03-10 23:00")
    assert world.made(ORDERS) == dict.fromkeys(days_from("2025-02-08", 30), 1)
    assert len(world.runs) <= 20
    assert all(not world.outdated(table) for table in (CUSTOMERS, SCORES))


@pytest.mark.parametrize(
    ("rerun_on", "again"), [((RerunOn.INPUTS,), []), ((RerunOn.INPUTS, RerunOn.UNDATED_INPUTS), WEEK)]
)
def test_a_register_that_changes_makes_history_again_only_if_that_is_declared(
    rerun_on: tuple[RerunOn, ...], again: list[str]
) -> None:
    world = running_shop(Shop(rerun_on=rerun_on))
    world.at("2025-03-10 14:00", lambda: world.put(REGISTER, "", File("another register")))
    world.until("2025-03-10 23:00")
    assert world.made(REGISTER) == {"": 1}
    assert world.made(CUSTOMERS) == world.made(SCORES) == dict.fromkeys(again, 1)


@pytest.mark.parametrize(("rerun_on", "again"), [((RerunOn.INPUTS,), []), ((RerunOn.INPUTS, RerunOn.MODEL), WEEK)])
def test_a_newly_promoted_version_scores_history_again_only_if_that_is_declared(
    rerun_on: tuple[RerunOn, ...], again: list[str]
) -> None:
    world = running_shop(Shop(rerun_on=rerun_on))
    world.at("2025-03-10 14:00", lambda: world.promoted.update({"2025-03-01": "2025-03-01/2"}))
    world.until("2025-03-10 23:00")
    assert world.made(SCORES) == dict.fromkeys(again, 1)
    assert world.made(CUSTOMERS) == {}


@pytest.mark.parametrize(("rerun_on", "again"), [((RerunOn.INPUTS,), []), ((RerunOn.INPUTS, RerunOn.CODE), WEEK)])
def test_changed_sql_makes_history_again_only_if_that_is_declared(
    rerun_on: tuple[RerunOn, ...], again: list[str]
) -> None:
    world = running_shop(Shop(rerun_on=rerun_on))
    changed = replace(world.tables[CUSTOMERS], code="v2")
    world.at("2025-03-10 14:00", lambda: world.tables.update({CUSTOMERS: changed}))
    world.until("2025-03-10 23:00")
    assert world.made(CUSTOMERS) == world.made(SCORES) == dict.fromkeys(again, 1)
