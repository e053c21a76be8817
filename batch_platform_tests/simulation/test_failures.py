"""Bad days, runs that vanish, memories that are lost: retries have limits, and what is good goes on."""

from __future__ import annotations

from datetime import timedelta

from batch_platform.schedules.holds import Hold
from batch_platform_tests.simulation.days import days_from, running_shop
from batch_platform_tests.simulation.shop import CUSTOMERS, MODEL, ORDERS, SCORES, Shop
from batch_platform_tests.simulation.stages import MALFORMED, File
from batch_platform_tests.simulation.test_outages import come_back
from batch_platform_tests.simulation.world import World

AWAY = days_from("2025-03-11", 5)


def asked(world: World, table: str, key: str) -> list[str]:
    """When runs of a partition were asked for, on the local wall clock."""
    return [f"{run.asked.astimezone(world.zone):%d %H:%M:%S}" for run in world.runs_of(table, [key])]


def with_a_bad_day() -> World:
    """Five days come at once on the 16th, and the one in the middle is malformed."""
    world = running_shop(without=AWAY)

    def come() -> None:
        come_back(world, AWAY)
        world.put(ORDERS, "2025-03-13", MALFORMED)

    world.at("2025-03-16 10:00", come)
    return world


def test_only_the_bad_day_of_a_range_is_tried_again_with_growing_pauses_and_a_limit() -> None:
    world = with_a_bad_day()
    world.until("2025-03-18 12:00")
    assert world.made(ORDERS) == dict.fromkeys([*days_from("2025-03-10", 3), *days_from("2025-03-14", 4)], 1)
    assert asked(world, ORDERS, "2025-03-13") == ["16 10:00:10", "16 10:01:10", "16 10:05:10", "16 10:21:10"]
    assert world.decision is not None
    assert world.decision.held[ORDERS, "2025-03-13"].hold is Hold.GIVEN_UP


def test_good_days_go_on_and_what_needs_the_bad_one_waits_without_a_try() -> None:
    world = with_a_bad_day()
    world.until("2025-03-18 12:00")
    assert world.made(SCORES) == dict.fromkeys(days_from("2025-03-11", 3), 1)
    for day in days_from("2025-03-14", 5):
        assert world.tries(CUSTOMERS, day) == world.tries(SCORES, day) == 0


def test_a_corrected_file_is_tried_at_once_though_the_bad_one_was_given_up() -> None:
    world = with_a_bad_day()
    world.at("2025-03-18 12:00", lambda: world.put(ORDERS, "2025-03-13", File("corrected")))
    world.until("2025-03-18 13:00")
    assert asked(world, ORDERS, "2025-03-13")[-1] == "18 12:00:10"
    assert world.made(SCORES) == dict.fromkeys(days_from("2025-03-11", 8), 1)


def test_another_bad_file_has_as_many_tries_again() -> None:
    world = with_a_bad_day()
    world.tables[ORDERS] = Shop(attempts=2).tables()[ORDERS]
    world.at("2025-03-18 13:00", lambda: world.broken.add((ORDERS, "2025-03-13")))
    world.at("2025-03-18 13:00", lambda: world.put(ORDERS, "2025-03-13", File("another")))
    world.until("2025-03-19 01:00")
    assert asked(world, ORDERS, "2025-03-13") == ["16 10:00:10", "16 10:01:10", "18 13:00:10", "18 13:01:10"]


def test_scores_that_fail_are_tried_four_times_after_the_features_are_there() -> None:
    world = running_shop()
    world.broken.add((SCORES, "2025-03-11"))
    world.until("2025-03-12 01:00")
    assert world.made(CUSTOMERS) == {"2025-03-11": 1}
    # The first try was in the run that made the features; the four are those from features that are there.
    assert [run.tables for run in world.runs_of(SCORES)] == [(CUSTOMERS, SCORES)] + [(SCORES,)] * 4


def test_a_run_that_vanishes_is_asked_for_again() -> None:
    world = running_shop()
    world.at("2025-03-11 03:00:06", lambda: world.kill(world.runs[-1]))
    world.until("2025-03-11 12:00")
    assert world.made(SCORES) == {"2025-03-11": 1}
    assert len(world.runs_of(SCORES)) == 2


def test_a_decision_that_was_not_remembered_asks_for_the_same_runs_again() -> None:
    world = running_shop()
    world.broken.add((CUSTOMERS, "2025-03-11"))
    world.until("2025-03-11 02:59")
    world.at("2025-03-11 02:59:55", lambda: setattr(world, "saves_cursor", False))
    world.at("2025-03-11 03:00:30", lambda: setattr(world, "saves_cursor", True))
    world.until("2025-03-11 03:01")
    assert set(world.repeated) == {run.identity for run in world.runs_of(CUSTOMERS)[:1]}
    assert len(world.runs_of(CUSTOMERS)) == 1


def test_a_memory_that_was_lost_costs_one_more_round_of_tries_and_none_is_taken_for_an_earlier_one() -> None:
    world = running_shop()
    world.broken.add((CUSTOMERS, "2025-03-11"))
    world.until("2025-03-11 08:00")
    assert world.tries(CUSTOMERS, "2025-03-11") == 4
    world.cursor = None
    world.until("2025-03-11 12:00")
    assert world.tries(CUSTOMERS, "2025-03-11") == 8
    assert world.repeated == []


def test_a_damaged_memory_is_as_good_as_none() -> None:
    world = running_shop()
    world.cursor = '{"format": 2, "begun": "soon", "tried": [[1]]}'
    world.until("2025-03-11 12:00")
    assert world.made(SCORES) == {"2025-03-11": 1}


def test_a_duplicate_arrival_is_no_arrival() -> None:
    world = running_shop()
    file = world.files[ORDERS]["2025-03-09"]
    for minute in range(30):
        world.at(world.now + timedelta(minutes=minute), lambda: world.put(ORDERS, "2025-03-09", file))
    world.until("2025-03-10 14:00")
    assert world.runs == []


def test_days_that_fail_for_good_do_not_keep_the_next_day_waiting() -> None:
    world = running_shop()
    world.broken |= {(SCORES, "2025-03-11"), (SCORES, "2025-03-12")}
    world.until("2025-03-13 12:00")
    assert world.first_made(SCORES, "2025-03-13").hour == 3


def test_a_source_that_cannot_be_watched_is_tried_again_and_again_but_seldom() -> None:
    world = running_shop(without=["2025-03-11"])
    world.polled.add(ORDERS)
    world.at("2025-03-13 09:10", lambda: world.put(ORDERS, "2025-03-11", File("late")))
    world.until("2025-03-13 12:00")
    tries = asked(world, ORDERS, "2025-03-11")
    assert tries[:6] == ["12 02:00:00", "12 02:01:00", "12 02:05:00", "12 02:21:00", "12 03:21:00", "12 04:21:00"]
    assert tries[-1] == "13 09:21:00"
    assert world.made(SCORES)["2025-03-12"] == world.made(SCORES)["2025-03-13"] == 1
    assert world.tries(CUSTOMERS, "2025-03-12") == 1


def test_when_training_fails_scores_wait_as_long_as_their_deadline_allows_and_then_use_the_earlier_version() -> None:
    world = running_shop(Shop(attempts=20))
    world.broken.add((MODEL, "2025-04-01"))
    world.until("2025-04-01 12:00")
    made = world.first_made(SCORES, "2025-04-01")
    assert "05:58" < f"{made:%H:%M}" < "06:00"
    assert world.books.made(SCORES, ["2025-04-01"])["2025-04-01"].model == "2025-03-01/1"


def test_when_training_was_given_up_scores_wait_no_longer() -> None:
    world = running_shop()
    world.broken.add((MODEL, "2025-04-01"))
    world.until("2025-04-01 12:00")
    assert world.tries(MODEL, "2025-04-01") == 4
    assert f"{world.first_made(SCORES, '2025-04-01'):%H:%M}" == "03:00"


def test_a_version_that_the_gate_rejects_leaves_the_earlier_one_in_service() -> None:
    world = running_shop()
    world.rejected.add("2025-04-01")
    world.until("2025-04-03 12:00")
    assert world.tries(MODEL, "2025-04-01") == 1
    assert {made.model for made in world.books.made(SCORES, days_from("2025-04-01", 3)).values()} == {"2025-03-01/1"}


def test_what_a_blocking_check_refused_is_not_read() -> None:
    world = running_shop()
    world.blocked[ORDERS, "2025-03-10"] = "rows"
    world.at("2025-03-11 05:00", lambda: world.blocked.clear())
    world.until("2025-03-11 12:00")
    assert world.first_made(SCORES, "2025-03-11").hour == 5
    assert world.tries(CUSTOMERS, "2025-03-11") == 1
