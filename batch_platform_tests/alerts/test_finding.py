"""What is wrong enough to tell somebody, and how urgent it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.alerts.finding import Finding, Incident, Kind, findings_of
from batch_platform.alerts.severity import Severity
from batch_platform.alerts.states import Fault, State
from batch_platform.schedules.holds import Hold
from batch_platform_tests.alerts.cases import DELAYS, FEATURES, FLIGHTS, NOW, REPORT, TABLES, at, source_missing, state

FAULT = Fault("rows_are_unique", "3 rows have the same key", at(3))


def found(*states: State) -> list[Finding]:
    return list(findings_of(states, TABLES, NOW))


def told(*states: State) -> list[tuple[Kind, Severity]]:
    return [(finding.kind, finding.severity) for finding in found(*states)]


def test_what_is_past_its_deadline_is_a_page_if_it_is_critical_and_else_a_ticket() -> None:
    assert told(state(DELAYS, due=at(6))) == [(Kind.OVERDUE, Severity.PAGE)]
    assert told(state(REPORT, due=at(6))) == [(Kind.OVERDUE, Severity.TICKET)]


def test_a_deadline_is_missed_at_its_minute_and_not_before() -> None:
    assert told(state(DELAYS, due=NOW)) == [(Kind.OVERDUE, Severity.PAGE)]
    assert told(state(DELAYS, due=at(6, 31))) == []


def test_what_is_there_is_neither_late_nor_overdue() -> None:
    assert told(state(DELAYS, due=at(6), there=True)) == []


def test_what_has_no_deadline_is_never_overdue() -> None:
    assert told(state(FEATURES, Hold.INPUT_MISSING, FLIGHTS)) == []


def test_a_worry_before_the_deadline_is_a_notice() -> None:
    assert told(state(DELAYS, warn=at(6), due=at(7))) == [(Kind.WARNED, Severity.NOTICE)]


def test_a_failed_check_on_what_is_there_is_urgent_since_readers_see_it() -> None:
    assert told(state(DELAYS, there=True, fault=FAULT)) == [(Kind.WRONG, Severity.PAGE)]
    assert told(state(REPORT, there=True, fault=FAULT)) == [(Kind.WRONG, Severity.TICKET)]


def test_what_failed_and_is_tried_again_by_itself_is_a_notice() -> None:
    assert told(state(DELAYS, Hold.BACKOFF, fault=FAULT)) == [(Kind.WRONG, Severity.NOTICE)]
    assert told(state(DELAYS, Hold.RUNNING, fault=FAULT)) == [(Kind.WRONG, Severity.NOTICE)]


def test_what_is_not_tried_again_is_told_once_with_the_reason() -> None:
    (finding,) = found(state(DELAYS, Hold.GIVEN_UP, detail="4 attempts", fault=FAULT))
    assert (finding.kind, finding.severity) == (Kind.GIVEN_UP, Severity.PAGE)
    assert "4 attempts" in finding.text
    assert FAULT.text in finding.text


def test_all_that_one_source_holds_up_has_one_cause() -> None:
    late = findings_of(source_missing(), TABLES, at(10))
    assert {finding.table for finding in late} == {DELAYS, REPORT}
    assert {finding.cause.key for finding in late} == {FLIGHTS}


def test_an_incident_at_a_table_shares_the_cause_of_what_waits_for_that_table() -> None:
    incident = Incident(Kind.SOURCE_UNREACHABLE, "s3 does not answer", at(5), FLIGHTS)
    late = findings_of(source_missing(), TABLES, NOW, [incident])
    assert {finding.cause.key for finding in late} == {FLIGHTS}
    assert {finding.owners for finding in late} == {("team:flight-ops",), ("team:data",)}


def test_an_incident_at_no_table_has_a_key_of_its_own() -> None:
    incident = Incident(Kind.BACKFILL_FAILED, "3 of 90 partitions failed", at(5), key="backfill abc", owners=("a@b.c",))
    (finding,) = findings_of((), {}, NOW, [incident])
    assert (finding.cause.key, finding.owners, finding.place) == ("backfill abc", ("a@b.c",), "backfill abc")


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_has_a_runbook(kind: Kind) -> None:
    folder = Path(__file__).parents[2] / "docs" / "runbooks"
    assert (folder / kind.runbook).is_file()
    assert kind.runbook in (folder / "README.md").read_text()
