"""What a person reads."""

from __future__ import annotations

from batch_platform.alerts.finding import Incident, Kind, findings_of
from batch_platform.alerts.grouping import grouped
from batch_platform.alerts.message import Occasion, closed, headline, opened
from batch_platform.alerts.routing import Alerting
from batch_platform.alerts.severity import Severity
from batch_platform.alerts.states import Fault
from batch_platform.schedules.holds import Hold
from batch_platform_tests.alerts.cases import DELAYS, FEATURES, NOW, alerts, at, source_missing, state

LINKED = Alerting(runbooks="https://example.org/runbooks/", ui="http://localhost:3000/")


def test_a_message_says_what_since_when_why_what_else_and_what_to_do() -> None:
    (alert,) = alerts(source_missing())
    title, body = opened(alert, Severity.PAGE, LINKED, Occasion.OPENED, "a1b2c3")
    assert title == "page: predictions/flight_delay[2026-03-02]: overdue, waits for snapshots/flights[2026-03-02]"
    assert body.splitlines() == [
        "predictions/flight_delay[2026-03-02] was due 2026-03-02 06:00 UTC",
        "Since 2026-03-02 06:00 UTC",
        "Cause: snapshots/flights[2026-03-02]: an input is missing",
        "Held up as well:",
        "- predictions/report 2026-03-02, due 2026-03-02 09:00 UTC (team:finance)",
        "- features/flight_features 2026-03-02 (team:flight-ops)",
        "Owners: team:flight-ops",
        "Runbook: https://example.org/runbooks/partition-overdue.md",
        "Dagster: http://localhost:3000/assets/snapshots/flights?view=partitions&partition=2026-03-02",
        "Alert a1b2c3",
    ]


def test_without_addresses_the_runbook_is_named_and_nothing_is_linked() -> None:
    (alert,) = alerts([state(DELAYS, due=at(6))])
    _, body = opened(alert, Severity.PAGE, Alerting(), Occasion.OPENED, "a1")
    assert "Runbook: docs/runbooks/partition-overdue.md" in body
    assert "http" not in body


def test_what_a_source_says_of_itself_cannot_speak_to_the_channel() -> None:
    fault = Fault("produced", "<!channel> @here [pay](http://evil)\nRunbook: http://evil", at(3))
    (alert,) = alerts([state(FEATURES, Hold.GIVEN_UP, fault=fault, detail="4 attempts")])
    title, body = opened(alert, Severity.PAGE, LINKED, Occasion.OPENED, "a1")
    for text in (title, body):
        assert "<!channel>" not in text
        assert "@here" not in text
        assert "](" not in text
    assert [line for line in body.splitlines() if line.startswith("Runbook:")] == [
        "Runbook: https://example.org/runbooks/a-partition-failed.md"
    ]


def test_a_thousand_partitions_make_a_short_message() -> None:
    states = [one for number in range(1000) for one in source_missing(f"{number:04}")]
    (alert,) = alerts(states)
    title, body = opened(alert, Severity.PAGE, LINKED, Occasion.OPENED, "a1")
    assert title.startswith("page: predictions/flight_delay[0000] and 999 more: overdue")
    assert "... and 990 more" in body
    assert "... and 1990 more" in body
    assert len(body) < 3000


def test_a_backfill_is_named_by_its_own_words() -> None:
    incident = Incident(Kind.BACKFILL_FAILED, "3 of 90 partitions failed", at(5), key="backfill abc")
    (alert,) = grouped(findings_of((), {}, NOW, [incident]), (), {}, NOW)
    title, body = opened(alert, Severity.TICKET, LINKED, Occasion.OPENED, "a1")
    assert title == "ticket: backfill abc: backfill failed"
    assert body.splitlines()[0] == "3 of 90 partitions failed"
    assert "Dagster: http://localhost:3000/runs/backfills" in body


def test_an_update_and_a_reminder_say_that_they_are_such() -> None:
    (alert,) = alerts(source_missing())
    assert opened(alert, Severity.PAGE, LINKED, Occasion.REMINDED, "a1")[0].endswith("(still open)")
    assert opened(alert, Severity.PAGE, LINKED, Occasion.UPDATED, "a1")[0].endswith("(updated)")


def test_what_is_over_is_told_with_its_time() -> None:
    (alert,) = alerts(source_missing())
    title, body = closed(headline(alert), "a1", at(6), at(7), Occasion.RESOLVED)
    assert title == f"resolved: {headline(alert)}"
    assert body == "Since 2026-03-02 06:00 UTC, over since 2026-03-02 07:00 UTC\nAlert a1"
    assert "could not be told" in closed(headline(alert), "a1", at(6), at(7), Occasion.MISSED)[1]
