"""Why a partition waits is told by the last reason, wherever it lies, in one line."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from batch_platform.partitions import Offset
from batch_platform.schedules.decision import Decision
from batch_platform.schedules.facts import Arrival, Facts
from batch_platform.schedules.freshness import PartitionFreshness, State, freshness
from batch_platform.schedules.history import Failure, Underway
from batch_platform.schedules.holds import Held, Hold
from batch_platform.schedules.memory import Memory
from batch_platform.schedules.root_causes import root_cause
from batch_platform.schedules.scheduled import Input, Role, Scheduled
from batch_platform.schedules.slo import Slo
from batch_platform_tests.schedules.deadlines import DAYS, Past, Shelf, decided, table_of

DAY = "2026-03-05"
SOURCE, FEATURES, SCORES = "snapshots/a", "features/b", "predictions/c"
NOW = datetime(2026, 3, 6, 10, 0, tzinfo=UTC)  # an hour after the deadline in Berlin


def tables(**rules: object) -> list[Scheduled]:
    """A chain of three; the last has a deadline."""
    return [
        table_of(SOURCE, DAYS, "+1d 06:00", **rules),
        table_of(FEATURES, DAYS, "+1d 08:00", reads=[SOURCE], **rules),
        table_of(SCORES, DAYS, "+1d 08:00", Slo(Offset.parse("+1d 10:00")), reads=[FEATURES], **rules),
    ]


def judged(
    shelf: Shelf,
    past: Past | None = None,
    memory: Memory | None = None,
    chain: list[Scheduled] | None = None,
    **known: object,
) -> PartitionFreshness:
    """How the last table's partition stands."""
    chain = chain or tables()
    decision, facts = decided(chain, replace(Facts(NOW, shelf), **known), memory)  # type: ignore[arg-type]
    found = freshness(chain, decision, facts, past)
    return next(told for told in found if told.partition == DAY)


def shelf_with(*names: str) -> Shelf:
    """Tables that hold everything but the day, and those of these names that hold it, too."""
    shelf, days = Shelf(), ["2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04"]
    for name in (SOURCE, FEATURES, SCORES):
        shelf.put(name, *days, *([DAY] if name in names else []))
    return shelf


def test_a_source_that_has_not_delivered_is_the_reason_of_all_that_follows() -> None:
    told = judged(shelf_with())
    assert (told.state, told.root) == (State.OVERDUE, (SOURCE, DAY))
    assert told.text == f"{SOURCE}[{DAY}]: has not arrived"
    assert told.why is not None and told.why.hold is Hold.INPUT_MISSING


def test_a_source_that_nobody_has_looked_at_is_not_told_as_one_that_has_not_delivered() -> None:
    told = judged(shelf_with(), unwatched={SOURCE})
    assert told.text == f"{SOURCE}[{DAY}]: nobody has looked at its source yet (is the daemon running?)"


def test_the_error_of_the_run_that_failed_is_told_with_the_run() -> None:
    past = Past({(SOURCE, DAY, ""): Failure("SourceError: part-0.csv, row 1: 3 fields", "run-7")})
    told = judged(shelf_with(), past)
    assert told.text == f"{SOURCE}[{DAY}]: failed: SourceError: part-0.csv, row 1: 3 fields"
    assert told.run_id == "run-7"


def test_attempts_are_told_until_there_is_none_left() -> None:
    past = Past({(SOURCE, DAY, ""): Failure("SourceError: bad", "run-7")})
    chain = tables(attempts=2)
    arrived = {SOURCE: {DAY: Arrival("token")}}
    shelf, memory, texts = shelf_with(), Memory(), []
    for minutes in (0, 0, 3, 3):
        now = replace(Facts(NOW, shelf), now=NOW.replace(minute=minutes), arrived=arrived)
        decision, facts = decided(chain, now, memory)
        told = next(told for told in freshness(chain, decision, facts, past) if told.partition == DAY)
        texts.append(told.text.removeprefix(f"{SOURCE}[{DAY}]: "))
        memory = decision.memory
    assert texts[0] == texts[2] == f"{SCORES}[{DAY}]: its run starts now"
    assert texts[1] == "failed: SourceError: bad; tried again at 2026-03-06 11:01 CET (1 of 2 attempts)"
    assert texts[3] == "failed: SourceError: bad; not tried again before something changes (2 attempts)"


def test_a_blocking_check_is_named_with_what_it_says() -> None:
    past = Past({(FEATURES, DAY, "contract"): Failure("late_rate is 7", "run-8")})
    blocked = {(FEATURES, DAY): "contract"}
    told = judged(shelf_with(SOURCE, FEATURES), past, blocked=lambda table, key: blocked.get((table, key)))
    assert told.root == (FEATURES, DAY)
    assert told.text == f"{FEATURES}[{DAY}]: the check contract failed: late_rate is 7"


def test_a_run_at_work_is_told_with_since_when() -> None:
    past = Past(runs={(FEATURES, DAY): Underway(datetime(2026, 3, 6, 9, 40, tzinfo=UTC), "run-9")})
    told = judged(shelf_with(SOURCE), past, running={FEATURES: {DAY}})
    assert told.text == f"{FEATURES}[{DAY}]: queued or running since 2026-03-06 10:40 CET"
    assert told.run_id == "run-9"


def test_a_closed_window_is_told_with_its_end() -> None:
    opens = datetime(2026, 3, 6, 21, 0, tzinfo=UTC)
    told = judged(shelf_with(SOURCE, FEATURES), closed_until=lambda name, now: opens if name == "" else None)
    assert told.text == f"{SCORES}[{DAY}]: nothing may start until 2026-03-06 22:00 CET"


def test_a_run_that_starts_now_holds_nothing() -> None:
    told = judged(shelf_with(SOURCE, FEATURES))
    assert (told.why, told.text) == (None, f"{SCORES}[{DAY}]: its run starts now")


def test_what_nobody_makes_is_told_as_such() -> None:
    told = judged(shelf_with(SOURCE, FEATURES), chain=tables(enabled=False))
    assert told.text == f"{SCORES}[{DAY}]: is made only when somebody asks: automation is off"
    chain = tables(horizon=1)
    decision, facts = decided(chain, Facts(NOW, shelf_with()))
    late = freshness(chain, decision, facts, late=[(SCORES, "2026-03-01")])
    assert late[0].state is State.FRESH
    empty = Shelf()
    decision, facts = decided(chain, Facts(NOW, empty))
    late = freshness(chain, decision, facts, late=[(SCORES, "2026-03-01")])
    assert late[0].text == f"{SCORES}[2026-03-01]: is older than the horizon: only a backfill makes it"


def test_scores_without_a_model_wait_for_what_its_training_waits_for_if_the_project_trains_it() -> None:
    *before, scores = tables()
    unscorable = replace(scores, serving=lambda settings: lambda key: None)
    told = judged(shelf_with(SOURCE, FEATURES), chain=[*before, unscorable])
    assert told.text == f"{SCORES}[{DAY}]: no registered version of its model could score it"
    assert told.why is not None and told.why.hold is Hold.MODEL

    model = table_of("models/m", DAYS, "0d", reads=["snapshots/labels"])
    labels = table_of("snapshots/labels", DAYS, "0d")
    served = replace(unscorable, inputs=(*scores.inputs, Input("models/m", lambda key: [key], Role.MODEL)))
    told = judged(shelf_with(SOURCE, FEATURES), chain=[*before, labels, model, served])
    assert (told.root, told.text) == (("snapshots/labels", DAY), f"snapshots/labels[{DAY}]: has not arrived")


def test_a_partition_that_cannot_be_made_yet_says_from_when_on() -> None:
    chain = tables()
    decision, facts = decided(chain, replace(Facts(NOW, shelf_with()), now=datetime(2026, 3, 6, 1, tzinfo=UTC)))
    told = next(told for told in freshness(chain, decision, facts) if told.partition == DAY)
    assert (told.state, told.text) == (
        State.DUE,
        f"{SCORES}[{DAY}]: can be made from 2026-03-06 08:00 CET on",
    )


def test_the_same_trouble_stays_the_same_while_it_is_tried_again() -> None:
    """What is news is told by `kind`: attempts, times and whether a run is at work just now do not count."""
    past = Past({(SOURCE, DAY, ""): Failure("SourceError: bad", "run-7")})
    waiting = judged(shelf_with(), past)
    again = judged(shelf_with(), past, running={SOURCE: {DAY}})
    assert waiting.text != again.text
    assert waiting.kind == again.kind == "SourceError: bad"


@pytest.mark.parametrize("hold", list(Hold))
def test_every_reason_is_one_line_that_begins_with_its_place_and_circles_end(hold: Hold) -> None:
    held = {(SCORES, DAY): Held(hold, FEATURES, DAY, "x"), (FEATURES, DAY): Held(hold, SCORES, DAY, "x")}
    decision = Decision((), Memory(), {}, held)
    facts = Facts(NOW, Shelf())
    known = {table.table: table for table in tables()}
    found = root_cause((SCORES, DAY), known, decision, facts, Past(), DAYS.zone)
    assert found.text.startswith((f"{SCORES}[{DAY}]: ", f"{FEATURES}[{DAY}]: "))
    assert "\n" not in found.text
