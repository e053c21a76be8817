"""What may stand under `alerts:`, and what is said of what may not."""

from __future__ import annotations

from datetime import timedelta

import pytest
import yaml

from batch_platform.alerts.declared import parse_alerts
from batch_platform.alerts.routing import Alerting, Route
from batch_platform.errors import ConfigurationError
from batch_platform_tests.alerts.cases import severities

DECLARED = """
runbooks: https://example.org/docs/runbooks
ui: http://localhost:3000
remind: 3d
settle: 15m
routes:
  - name: flight_ops
    to: {env: ALERTS_FLIGHT_OPS}
    owners: ["team:flight-ops"]
    pipelines: [flight_delay]
    severity: [page]
  - name: everybody_else
    to: {env: ALERTS_DEFAULT}
    unclaimed: true
"""


def alerting(text: str) -> Alerting:
    return parse_alerts(yaml.safe_load(text))


def test_everything_that_can_be_declared() -> None:
    assert alerting(DECLARED) == Alerting(
        (
            Route(
                "flight_ops",
                "ALERTS_FLIGHT_OPS",
                frozenset({"team:flight-ops"}),
                frozenset({"flight_delay"}),
                severities("page"),
            ),
            Route("everybody_else", "ALERTS_DEFAULT", unclaimed=True),
        ),
        "https://example.org/docs/runbooks",
        "http://localhost:3000",
        timedelta(days=3),
        timedelta(minutes=15),
    )


def test_the_defaults_are_pages_and_tickets_of_everybody_a_day_and_ten_minutes() -> None:
    found = alerting("routes: [{name: all, to: {env: ALERTS}}]")
    assert found == Alerting((Route("all", "ALERTS"),))
    assert alerting("{remind: never, routes: [{name: all, to: {env: ALERTS}}]}").remind is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("routes: [{name: a, to: 'slack://hunter2'}]", "expected {env: NAME}, the environment variable"),
        ("routes: [{name: a, to: {url: 'slack://hunter2'}}]", "expected {env: NAME} and nothing else"),
        ("routes: [{name: a, to: {env: 'slack://hunter2'}}]", "to.env is not the name of an environment variable"),
        ("routes: [{name: a, to: {env: A}, severity: [urgent]}]", "'page', 'ticket' or 'notice'"),
        ("routes: [{name: a, to: {env: A}, severity: []}]", "the route would take nothing"),
        ("routes: [{name: a, to: {env: A}}, {name: a, to: {env: B}}]", "two routes are named 'a'"),
        ("routes: [{name: 'A b', to: {env: A}}]", "use lower case letters"),
        ("routes: [{name: a, to: {env: A}, team: x}]", "Extra inputs are not permitted"),
        ("routes: [{name: a, to: {env: A}, url: 'slack://hunter2'}]", "alerts.routes.0.url: Extra inputs"),
        ("{remind: often, routes: []}", "'often' is no duration"),
        ("{settle: never, routes: []}", "settle: never"),
        ("{ui: 'http://ops:hunter2@localhost', routes: []}", "without a password"),
    ],
)
def test_what_makes_no_sense_is_refused_without_repeating_an_address(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        alerting(text)
    assert said in str(caught.value)
    assert str(caught.value).startswith("alerts")
    assert "hunter2" not in str(caught.value)
