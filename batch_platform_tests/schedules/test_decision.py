"""Decisions: what starts together, in which order, and what is left to the next look."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from batch_platform.lake.digest import combine
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.schedules.decision import MOST_RUNS, decide
from batch_platform.schedules.facts import Arrival, Made, Read
from batch_platform.schedules.holds import Hold
from batch_platform.schedules.memory import Memory
from batch_platform.schedules.owed import Reason
from batch_platform.schedules.rules import Rules
from batch_platform.schedules.runs import Priority
from batch_platform.schedules.scheduled import Scheduled
from batch_platform.schedules.slo import Slo
from batch_platform_tests.schedules.tables import DAYS, NOW, READER, SOURCE, facts, holding, reader, source
from batch_platform_tests.simulation.days import days_from

OLDER, NEWEST = days_from("2025-03-03", 6), "2025-03-09"
CRITICAL = Slo(Offset.parse("+1d 18:00"), critical=True)


def test_the_newest_day_starts_by_itself_and_before_the_older_ones() -> None:
    found = decide([source()], facts(holding({})), Memory())
    assert [(run.keys, run.priority) for run in found.runs] == [
        ((NEWEST,), Priority.LIVE),
        (tuple(OLDER), Priority.HEALING),
    ]
    assert all(run.reasons == (Reason.MISSING,) for run in found.runs)


def test_what_reads_a_day_joins_the_run_that_makes_it() -> None:
    found = decide([reader(), source()], facts(holding({})), Memory())
    assert [run.tables for run in found.runs] == [(SOURCE, READER)] * 2
    assert found.held == {}


def test_only_those_that_are_tried_with_all_their_inputs_count_as_tried() -> None:
    found = decide([reader(), source()], facts(holding({})), Memory())
    assert {table for table, _ in found.memory.tried} == {SOURCE}


def test_tables_of_other_calendars_do_not_share_a_run() -> None:
    found = decide([reader(calendar=replace(DAYS, ahead=1)), source()], facts(holding({})), Memory())
    assert {run.tables for run in found.runs} == {(SOURCE,)}
    assert found.held[READER, NEWEST].hold is Hold.INPUT_OWED


def test_a_run_is_as_urgent_as_the_most_urgent_table_in_it() -> None:
    found = decide([reader(slo=CRITICAL), source()], facts(holding({})), Memory())
    assert [run.priority for run in found.runs] == [Priority.CRITICAL, Priority.HEALING]


def test_what_can_still_be_there_by_its_deadline_is_not_taken_for_history() -> None:
    late = Slo(Offset.parse("+3d 18:00"))
    found = decide([source(slo=late)], facts(holding({})), Memory())
    assert [run.keys for run in found.runs] == [tuple(days_from("2025-03-07", 3)), tuple(days_from("2025-03-03", 4))]


def test_older_days_of_a_table_wait_for_the_run_that_makes_others_of_them() -> None:
    running = {SOURCE: {"2025-03-01"}}
    found = decide([source()], facts(holding({}), running=running), Memory())
    assert [run.keys for run in found.runs] == [(NEWEST,)]
    assert {found.held[SOURCE, day].hold for day in OLDER} == {Hold.HEALING}


def test_what_is_not_remembered_is_decided_as_the_same_runs() -> None:
    now = facts(holding({}))
    begun = decide([source()], now, Memory()).memory
    again = facts(holding({}), now=NOW + timedelta(hours=1))
    remembered = replace(begun, tried={})
    one, two = decide([source()], again, remembered), decide([source()], facts(holding({})), remembered)
    assert [run.identity for run in one.runs] == [run.identity for run in two.runs]


@pytest.mark.parametrize("what", ["another memory", "another version", "another attempt"])
def test_what_is_decided_later_is_another_run(what: str) -> None:
    first = decide([source()], facts(holding({})), Memory(begun=1))
    memory = {"another memory": Memory(begun=2), "another version": Memory(begun=1)}.get(what, first.memory)
    now = facts(holding({}), now=NOW + timedelta(hours=1), version=lambda _: int(what == "another version"))
    second = decide([source()], now, memory)
    assert not {run.identity for run in first.runs} & {run.identity for run in second.runs}


def test_a_memory_keeps_only_what_is_still_to_be_made() -> None:
    first = decide([source()], facts(holding({})), Memory())
    assert len(first.memory.tried) == 7
    books = holding({SOURCE: dict.fromkeys([*OLDER, NEWEST], "made")})
    assert decide([source()], facts(books), first.memory).memory.tried == {}
    assert decide([], facts(holding({})), first.memory).memory.tried == {}


def test_no_more_than_so_many_runs_start_at_once_and_the_most_urgent_do() -> None:
    tables = [source(table=f"snapshots/s{number:02}", pipeline=f"p{number}") for number in range(MOST_RUNS)]
    found = decide(tables, facts(holding({})), Memory())
    assert len(found.runs) == MOST_RUNS
    assert {run.priority for run in found.runs} == {Priority.LIVE}
    assert {held.hold for held in found.held.values()} == {Hold.TURN}
    assert len(found.held) == MOST_RUNS * len(OLDER)


def test_a_team_starts_no_more_runs_than_its_quota() -> None:
    owned = source(owners=("team:shop",))
    now = facts(holding({}), quotas={"shop": 2}, team_runs={"shop": 1})
    found = decide([owned], now, Memory())
    assert [run.keys for run in found.runs] == [(NEWEST,)]
    assert {held.hold for held in found.held.values()} == {Hold.TURN}


def test_days_with_holes_between_them_become_stretches() -> None:
    arrived = {SOURCE: {day: Arrival(day) for day in ("2025-03-03", "2025-03-04", "2025-03-06")}}
    found = decide([source()], facts(holding({}), arrived=arrived), Memory())
    assert [run.keys for run in found.runs] == [("2025-03-03", "2025-03-04"), ("2025-03-06",)]


def test_what_is_demanded_is_demanded_all_the_way_up() -> None:
    rules = Rules.declared(Cadence.DAILY, READER, horizon=1)
    back = reader(lambda key: days_from("2025-03-01", 9), rules=rules)
    found = decide([source(rules=replace(rules, horizon=rules.horizon)), back], facts(holding({})), Memory())
    assert sorted(key for run in found.runs for key in run.keys) == days_from("2025-03-01", 9)
    assert found.held[READER, NEWEST].hold is Hold.INPUT_OWED


def test_a_run_reads_as_a_sentence() -> None:
    first, second = decide([source()], facts(holding({})), Memory()).runs
    assert str(first) == "snapshots/orders [2025-03-09]: missing"
    assert str(second) == "snapshots/orders [2025-03-03 to 2025-03-08]: missing"


def running_total(days: Calendar = DAYS, **changes: Any) -> Scheduled:
    """A table of days that reads its own day before, too."""
    return reader(calendar=days, past=lambda key: days.keys_between(days.first, days.shift(key, -1))[-1:], **changes)


def test_a_table_that_reads_itself_is_built_from_its_first_day_in_one_run() -> None:
    days = days_from("2025-03-01", 9)
    found = decide([running_total()], facts(holding({SOURCE: dict.fromkeys(days, "x")})), Memory())
    assert [(run.keys, run.priority) for run in found.runs] == [(tuple(days), Priority.LIVE)]


def test_today_waits_for_its_own_past_that_another_run_makes() -> None:
    found = decide([running_total(), source()], facts(holding({READER: {"2025-03-02": "x"}})), Memory())
    assert [(run.tables, run.keys) for run in found.runs] == [
        ((SOURCE,), (NEWEST,)),
        ((SOURCE, READER), tuple(OLDER)),
    ]
    assert found.held[READER, NEWEST].hold is Hold.INPUT_OWED
    later = facts(holding({SOURCE: dict.fromkeys([*OLDER, NEWEST], "x")}), running={READER: set(OLDER)})
    assert decide([running_total()], later, Memory()).held[READER, NEWEST].hold is Hold.INPUT_RUNNING


def test_what_its_own_past_was_given_up_for_is_not_tried_in_vain() -> None:
    there = {SOURCE: dict.fromkeys([*OLDER, NEWEST], "x"), READER: dict.fromkeys(["2025-03-02", *OLDER[:-1]], "y")}
    books = holding(there)
    tried = decide([running_total()], facts(books), Memory()).memory.tried[READER, OLDER[-1]]
    given_up = Memory({(READER, OLDER[-1]): replace(tried, attempts=9)})
    found = decide([running_total()], facts(books), given_up)
    assert found.runs == ()
    assert found.held[READER, NEWEST].hold is Hold.INPUT_MISSING


def test_a_stretch_too_long_for_one_run_of_a_table_that_reads_itself_is_made_piece_after_piece() -> None:
    days = Calendar(Cadence.DAILY, "2024-12-01", ahead=0)
    keys = days.keys_between(days.first, NEWEST)
    found = decide([running_total(days)], facts(holding({SOURCE: dict.fromkeys(keys, "x")})), Memory())
    assert [run.keys for run in found.runs] == [tuple(keys[:62])]
    assert found.held[READER, NEWEST].hold is Hold.INPUT_OWED


def test_a_day_that_read_another_past_than_there_is_now_is_made_again() -> None:
    read = {READER: Read((OLDER[-1], OLDER[-1]), combine(["before"]))}
    books = holding({SOURCE: {NEWEST: "x"}, READER: {**dict.fromkeys(OLDER, "now"), NEWEST: Made("y", read, "v1")}})
    found = decide([running_total()], facts(books), Memory())
    assert [(run.keys, run.reasons) for run in found.runs] == [((NEWEST,), (Reason.INPUTS,))]
    frozen = running_total(rules=Rules.declared(Cadence.DAILY, READER, rerun_on=[]))
    assert decide([frozen], facts(books), Memory()).runs == ()
