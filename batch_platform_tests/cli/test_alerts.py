"""`batch-platform alerts`, against a home with a remembered book and real receivers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from batch_platform.alerts.book import Book
from batch_platform.alerts.book_text import to_text
from batch_platform.alerts.message import Message, Occasion
from batch_platform.alerts.routing import Alerting, Route
from batch_platform.alerts.severity import Severity
from batch_platform.automation.home import HOME
from batch_platform.cli import cli
from batch_platform.errors import ConfigurationError, DeliveryError
from batch_platform.operations import component
from batch_platform.operations.definition import OperationsDefinition
from batch_platform_tests.alerts.cases import DELAYS, NOW, alerts, at, severities, state
from batch_platform_tests.alerts.receivers import Webhook, webhook
from batch_platform_tests.automation.test_alerting import remember


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv(HOME, str(tmp_path))
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    routes = (Route("ops", "OPS", severities=severities("page")), Route("rest", "REST", unclaimed=True))
    monkeypatch.setattr(component, "operations", lambda _: OperationsDefinition(alerting=Alerting(routes)))
    with webhook() as receiver:
        monkeypatch.setenv("OPS", f"json://{receiver.address}/ops")
        monkeypatch.setenv("REST", f"json://{receiver.address}/rest")
        yield receiver


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["alerts", *arguments])


def test_nothing_is_known_before_somebody_has_looked(instance: dg.DagsterInstance) -> None:
    found = run("list")
    assert found.exit_code == 0
    assert "nobody has looked yet" in found.output


def test_open_alerts_are_listed_with_whom_they_were_told(instance: dg.DagsterInstance) -> None:
    message = Message(DELAYS, "id", "OPS", Occasion.OPENED, Severity.PAGE, "t", "b")
    book = Book().seen(alerts([state(DELAYS, due=at(6))]), NOW).delivered(message, NOW)
    remember(instance, to_text(book))
    found = run("list")
    assert found.exit_code == 0
    assert "page: predictions/flight_delay[2026-03-02]: overdue" in found.output
    assert "OPS: told as page at 2026-03-02 06:30 UTC" in found.output
    assert "1 open, 0 addresses take nothing" in found.output


def test_what_could_not_be_delivered_is_listed_and_an_error(instance: dg.DagsterInstance) -> None:
    message = Message(DELAYS, "id", "OPS", Occasion.OPENED, Severity.PAGE, "t", "b")
    book = Book().seen(alerts([state(DELAYS, due=at(6))]), NOW).failed(message, "answered 500", NOW)
    remember(instance, to_text(book))
    found = run("list")
    assert "OPS: told nothing, the next message failed 1 time" in found.output
    assert "OPS: answered 500, 1 time in a row, tried again at 2026-03-02 06:30:30 UTC" in found.output
    assert "1 open, 1 address takes nothing" in found.output
    assert isinstance(found.exception, DeliveryError)
    assert found.exception.exit_code == 9


def test_a_route_is_tried_with_a_message_and_its_end(receiver: Webhook) -> None:
    found = run("test", "--route", "ops")
    assert found.exit_code == 0
    assert "2 of 2 messages arrived" in found.output
    told = [json.loads(body) for _, body in receiver.heard]
    assert [(one["type"], one["title"]) for one in told] == [
        ("failure", "page: test of the route ops"),
        ("success", "resolved: test of the route ops"),
    ]
    assert len({one["alert_id"] for one in told}) == 1


def test_all_routes_are_tried_and_one_that_fails_is_named(receiver: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPS")
    found = run("test")
    assert "2 of 4 messages arrived" in found.output
    assert isinstance(found.exception, DeliveryError)
    assert "the environment variable OPS is not set" in str(found.exception)


def test_a_route_that_nobody_declares_is_refused_with_those_there_are(receiver: Webhook) -> None:
    found = run("test", "--route", "opps")
    assert isinstance(found.exception, ConfigurationError)
    assert "there is no route 'opps' (there are ops, rest)" in str(found.exception)


def test_without_routes_there_is_nothing_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(component, "operations", lambda _: OperationsDefinition())
    found = run("test")
    assert isinstance(found.exception, ConfigurationError)
    assert "docs/how-to/alerts.md" in str(found.exception)
