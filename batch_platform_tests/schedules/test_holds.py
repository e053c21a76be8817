"""Why a partition waits: each reason, and which comes first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from batch_platform.partitions import Cadence
from batch_platform.schedules.holds import ALL_WINDOWS, Held, Hold, held_by_itself, unmet
from batch_platform.schedules.memory import Memory, Tried
from batch_platform.schedules.owed import Owed, Reason
from batch_platform.schedules.rules import Rules
from batch_platform.schedules.scheduled import Input, Role
from batch_platform_tests.schedules.tables import NOW, READER, SOURCE, facts, holding, reader

DAY = "2025-03-09"
OWED = Owed(Reason.MISSING, "cause")
NIGHT = reader(rules=Rules.declared(Cadence.DAILY, READER, window="night"))
LATER = NOW + timedelta(hours=10)
THERE = holding({SOURCE: {DAY: "nine"}})


def tried(attempts: int, minutes: int, cause: str = "cause") -> Memory:
    return Memory({(READER, DAY): Tried(cause, attempts, NOW - timedelta(minutes=minutes))})


def hold(memory: Memory, owed: Owed = OWED, **changes: Any) -> Hold | None:
    held = held_by_itself(reader(), DAY, owed, facts(THERE, **changes), memory, None)
    return held and held.hold


def test_nothing_holds_what_was_never_tried() -> None:
    assert hold(Memory()) is None


@pytest.mark.parametrize("running", [{DAY}, {""}])
def test_what_runs_is_not_started_again(running: set[str]) -> None:
    assert hold(Memory(), running={READER: running}) is Hold.RUNNING
    assert hold(Memory(), running={READER: {"2025-03-08"}}) is None


def test_the_newest_day_whose_deadline_nears_does_not_wait_for_a_backfill_that_has_not_come_to_it() -> None:
    def held(key: str, late: bool, **changes: Any) -> Hold | None:
        latest = NOW + timedelta(minutes=-1 if late else 1)
        found = held_by_itself(reader(), key, OWED, facts(THERE, **changes), Memory(), latest)
        return found and found.hold

    requested = {READER: {DAY, "2025-03-08"}}
    assert held(DAY, True, requested=requested) is None
    assert held(DAY, False, requested=requested) is Hold.RUNNING
    assert held("2025-03-08", True, requested=requested) is Hold.RUNNING
    assert held(DAY, True, requested=requested, running={READER: {DAY}}) is Hold.RUNNING


def test_nor_do_its_inputs_keep_it_waiting_for_that_backfill() -> None:
    def held(expected: dict[tuple[str, str], Held | None], late: bool = True) -> list[Hold]:
        latest = NOW + timedelta(minutes=-1 if late else 1)
        now = facts(THERE, requested={SOURCE: {DAY}})
        return [each.hold for each in unmet(reader(), DAY, now, expected, latest)]

    assert held({}) == []
    assert held({}, late=False) == [Hold.INPUT_RUNNING]
    assert held({(SOURCE, DAY): Held(Hold.RUNNING, SOURCE, DAY)}) == [Hold.INPUT_RUNNING]
    assert held({(SOURCE, DAY): None}) == [Hold.INPUT_OWED]


@pytest.mark.parametrize(
    ("attempts", "minutes", "expected"),
    [(1, 0, Hold.BACKOFF), (1, 1, None), (2, 3, Hold.BACKOFF), (2, 4, None), (4, 10**6, Hold.GIVEN_UP)],
)
def test_what_failed_waits_and_is_given_up_after_its_attempts(attempts: int, minutes: int, expected: Hold) -> None:
    assert hold(tried(attempts, minutes)) is expected


def test_another_cause_begins_anew() -> None:
    assert hold(tried(4, 0, cause="another")) is None


def test_what_can_only_be_tried_is_never_given_up() -> None:
    polled = replace(OWED, polled=True)
    assert hold(tried(99, 59), polled) is Hold.BACKOFF
    assert hold(tried(99, 60), polled) is None


def test_a_window_holds_until_a_deadline_opens_it_and_a_blackout_always() -> None:
    def held(window: str, latest: timedelta | None) -> Hold | None:
        now = facts(THERE, closed_until=lambda name, _: LATER if name == window else None)
        found = held_by_itself(NIGHT, DAY, OWED, now, Memory(), None if latest is None else NOW + latest)
        return found and found.hold

    assert held("night", None) is Hold.WINDOW
    assert held("night", timedelta(minutes=1)) is Hold.WINDOW
    assert held("night", timedelta()) is None
    assert held(ALL_WINDOWS, timedelta()) is Hold.CLOSED


def inputs(expected: dict[tuple[str, str], Held | None] | None = None, **changes: Any) -> list[Hold]:
    return [
        held.hold for held in unmet(reader(), DAY, facts(changes.pop("books", THERE), **changes), expected or {}, None)
    ]


def test_each_state_of_an_input_is_told() -> None:
    assert inputs() == []
    assert inputs(books=holding({})) == [Hold.INPUT_MISSING]
    assert inputs(running={SOURCE: {DAY}}) == [Hold.INPUT_RUNNING]
    assert inputs({(SOURCE, DAY): None}) == [Hold.INPUT_OWED]
    assert inputs(blocked=lambda table, key: "rows" if (table, key) == (SOURCE, DAY) else None) == [Hold.INPUT_BLOCKED]


@pytest.mark.parametrize("why", [Hold.GIVEN_UP, Hold.INPUT_MISSING, Hold.INPUT_BLOCKED])
def test_an_input_of_which_nothing_will_come_is_read_as_it_is(why: Hold) -> None:
    expected: dict[tuple[str, str], Held | None] = {(SOURCE, DAY): Held(why, SOURCE, DAY)}
    assert inputs(expected) == []
    assert inputs(expected, books=holding({})) == [Hold.INPUT_MISSING]


def test_a_model_is_waited_for_until_the_latest_start_and_only_if_it_is_coming() -> None:
    table = reader(inputs=(Input("models/m", lambda _: ["2025-03-01"], Role.MODEL),))
    place = ("models/m", "2025-03-01")

    def held(expected: dict[tuple[str, str], Held | None], latest: timedelta) -> list[Hold]:
        return [each.hold for each in unmet(table, DAY, facts(holding({})), expected, NOW + latest)]

    assert held({place: None}, timedelta(minutes=1)) == [Hold.MODEL]
    assert held({place: None}, timedelta()) == []
    assert held({}, timedelta(minutes=1)) == []
    assert held({place: Held(Hold.GIVEN_UP, *place)}, timedelta(minutes=1)) == []


def test_without_a_version_that_could_serve_nothing_is_scored() -> None:
    table = reader(serving=lambda _: lambda key: None)
    assert [held.hold for held in unmet(table, DAY, facts(THERE), {}, None)] == [Hold.MODEL]
    assert unmet(table, DAY, facts(THERE, serving=lambda _, __: "1"), {}, None) == []


def test_a_hold_reads_as_a_sentence() -> None:
    assert str(Held(Hold.WINDOW, READER, DAY, "night", LATER)) == (
        "its batch window is closed: features/orders[2025-03-09] (night) until 2025-03-10 22:00 UTC"
    )
    assert str(Held(Hold.INPUT_MISSING, "snapshots/register", "")) == "an input is missing: snapshots/register"
