"""Who hears of an alert."""

from __future__ import annotations

from batch_platform.alerts.routing import Alerting, Route
from batch_platform.alerts.severity import Severity
from batch_platform_tests.alerts.cases import alerts, at, severities, source_missing

OPS = Route("ops", "OPS", owners=frozenset({"team:flight-ops"}), severities=severities("page"))
FINANCE = Route("finance", "FINANCE", owners=frozenset({"team:finance"}))
REST = Route("rest", "REST", unclaimed=True)


def taken(*routes: Route, hour: int = 10) -> dict[str, Severity]:
    (alert,) = alerts(source_missing(), at(hour))
    return Alerting(routes).taken(alert)


def test_every_route_that_matches_is_taken_with_the_urgency_that_its_table_has() -> None:
    assert taken(OPS, FINANCE) == {"OPS": Severity.PAGE, "FINANCE": Severity.TICKET}


def test_who_is_not_late_yet_is_not_told() -> None:
    assert taken(OPS, FINANCE, hour=7) == {"OPS": Severity.PAGE}


def test_a_route_takes_only_its_severities() -> None:
    assert taken(Route("tickets", "T", owners=OPS.owners, severities=severities("ticket"))) == {}


def test_a_route_takes_only_its_pipelines() -> None:
    assert taken(Route("reports", "R", pipelines=frozenset({"reports"}))) == {"R": Severity.TICKET}


def test_what_no_route_claims_goes_to_the_unclaimed_one() -> None:
    assert taken(OPS, REST) == {"OPS": Severity.PAGE, "REST": Severity.TICKET}
    assert taken(OPS, FINANCE, REST) == {"OPS": Severity.PAGE, "FINANCE": Severity.TICKET}


def test_two_routes_to_one_address_are_one_message_as_urgent_as_the_more_urgent() -> None:
    assert taken(FINANCE, Route("more", "FINANCE")) == {"FINANCE": Severity.PAGE}
