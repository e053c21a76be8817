"""One alert for one cause."""

from __future__ import annotations

import time

from batch_platform.alerts.finding import Watched, findings_of
from batch_platform.alerts.grouping import OVERFLOW, grouped
from batch_platform.alerts.severity import Severity
from batch_platform.alerts.states import Fault
from batch_platform.schedules.holds import Hold
from batch_platform_tests.alerts.cases import (
    DAY,
    DELAYS,
    FEATURES,
    FLIGHTS,
    NOW,
    REPORT,
    TABLES,
    alerts,
    at,
    source_missing,
    state,
)


def test_one_source_that_is_missing_is_one_alert_not_forty() -> None:
    names = [f"predictions/table_{number:02}" for number in range(40)]
    states = [
        *source_missing(),
        *(state(name, Hold.INPUT_MISSING, FEATURES, due=at(6), root=FLIGHTS) for name in names),
    ]
    (alert,) = alerts(states)
    assert alert.key == FLIGHTS
    assert alert.worst.table == DELAYS
    assert alert.severity is Severity.PAGE
    assert len(alert.findings) == 41


def test_what_will_be_late_is_told_as_affected_with_its_deadline() -> None:
    (alert,) = alerts(source_missing())
    affected = {one.table: (one.due, one.overdue, one.owners) for one in alert.affected}
    assert affected == {
        DELAYS: (at(6), True, ("team:flight-ops",)),
        REPORT: (at(9), False, ("team:finance",)),
        FEATURES: (None, False, ("team:flight-ops",)),
    }
    assert [one.table for one in alert.affected] == [DELAYS, REPORT, FEATURES]


def test_two_causes_are_two_alerts_the_most_urgent_first() -> None:
    wrong = state(REPORT, there=True, fault=Fault("rows", "too few", at(4)))
    found = alerts([*source_missing()[:2], wrong])
    assert [alert.key for alert in found] == [FLIGHTS, REPORT]


def test_several_partitions_of_one_source_are_one_alert() -> None:
    (alert,) = alerts([*source_missing(), *source_missing("2026-03-01")])
    assert {f"{FLIGHTS}[{DAY}]", f"{FLIGHTS}[2026-03-01]"} <= alert.scope


def test_what_is_being_made_after_its_cause_is_gone_stays_with_the_alert_that_told_of_it() -> None:
    (before,) = alerts(source_missing())
    catching_up = [state(FEATURES, Hold.RUNNING), state(DELAYS, Hold.INPUT_RUNNING, FEATURES, due=at(6))]
    (after,) = alerts(catching_up, told={FLIGHTS: before.tables})
    assert after.key == FLIGHTS
    (anew,) = alerts(catching_up)
    assert anew.key == FEATURES


def test_what_is_being_made_brings_back_no_alert_that_is_over() -> None:
    starting = state(DELAYS, Hold.TURN, due=at(6))
    told = {FEATURES: frozenset({DELAYS}), FLIGHTS: frozenset({DELAYS}), DELAYS: frozenset({DELAYS})}

    def key(*over: str) -> str:
        findings = findings_of([starting], TABLES, NOW)
        (alert,) = grouped(findings, [starting], TABLES, NOW, told, over=over)
        return alert.key

    assert key(FEATURES, DELAYS) == FLIGHTS
    assert key(FEATURES, FLIGHTS, DELAYS) == DELAYS


def test_another_failure_after_the_cause_is_gone_is_another_alert() -> None:
    (before,) = alerts(source_missing())
    failed = [
        state(FEATURES, Hold.BACKOFF, fault=Fault("produced", "out of memory", at(6))),
        state(DELAYS, Hold.INPUT_MISSING, FEATURES, due=at(6)),
    ]
    (after,) = alerts(failed, told={FLIGHTS: before.tables})
    assert after.key == FEATURES


def test_more_causes_than_anybody_can_read_are_one_alert_beside_those_that_are_open() -> None:
    names = [f"predictions/table_{number:02}" for number in range(20)]
    tables = {name: Watched(name) for name in names}
    states = [state(name, due=at(6)) for name in names]
    told = {"predictions/table_19": frozenset({"predictions/table_19"})}
    found = grouped(findings_of(states, tables, NOW), states, tables, NOW, told, most=5)
    assert len(found) == 6
    assert {OVERFLOW, "predictions/table_19"} <= {alert.key for alert in found}
    assert sum(len(alert.findings) for alert in found) == 20


def test_only_what_a_planned_backfill_makes_as_a_whole_is_muted() -> None:
    planned = state(DELAYS, due=at(6), planned=True)
    assert alerts([planned])[0].muted
    other = state(DELAYS, key="2026-03-01", due=at(6))
    assert not alerts([planned, other])[0].muted


def test_thirty_thousand_partitions_are_grouped_within_seconds() -> None:
    began = time.process_time()
    keys = [f"{number:05}" for number in range(10_000)]
    states = [one for key in keys for one in source_missing(key)]
    (alert,) = grouped(findings_of(states, TABLES, NOW), states, TABLES, NOW)
    assert len(alert.findings) == 10_000
    assert time.process_time() - began < 10
