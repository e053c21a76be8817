"""The sensor `alerts`: one look after another, with Dagster's cursor and real receivers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, SensorInstigatorData
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from batch_platform.alerts.book_text import from_text
from batch_platform.alerts.routing import Alerting
from batch_platform.alerts.watch import Look
from batch_platform.automation import clock
from batch_platform.automation.alerting import SENSOR, alerts_sensor, book_of
from batch_platform_tests.alerts.cases import DELAYS, EVERYBODY, MINUTE, NOW, TABLES, at, state
from batch_platform_tests.alerts.receivers import Webhook, webhook

LATE = Look([state(DELAYS, due=at(6))], TABLES)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with webhook() as receiver:
        monkeypatch.setenv("ALL", f"json://{receiver.address}/hunter2")
        yield receiver


class Ticks:
    """A sensor and the cursor that Dagster keeps for it."""

    def __init__(self, instance: dg.DagsterInstance, look: Callable[[], Look], alerting: Alerting = EVERYBODY) -> None:
        self._sensor = alerts_sensor(alerting, lambda _, __: look())
        self._instance = instance
        self.cursor: str | None = None

    def tick(self, now: datetime) -> str:
        """One tick; returns what the tick's page says."""
        with clock.at(now), dg.build_sensor_context(self._instance, cursor=self.cursor) as context:
            data = self._sensor.evaluate_tick(context)
        assert not data.run_requests
        self.cursor = data.cursor
        return data.skip_message or ""


def test_without_routes_nobody_looks(instance: dg.DagsterInstance) -> None:
    def look() -> Look:
        raise AssertionError("somebody looked")

    assert "no route is declared" in Ticks(instance, look, Alerting()).tick(NOW)


def test_it_is_on_by_default_and_looks_every_half_minute() -> None:
    sensor = alerts_sensor(EVERYBODY, lambda _, __: Look())
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == 30
    assert sensor.name == SENSOR


def test_an_alert_is_told_once_and_the_tick_says_so(instance: dg.DagsterInstance, receiver: Webhook) -> None:
    ticks = Ticks(instance, lambda: LATE)
    assert ticks.tick(NOW) == "1 open, 1 told"
    assert ticks.tick(NOW + MINUTE) == "1 open, 0 told"
    assert len(receiver.heard) == 1
    assert b"predictions/flight_delay[2026-03-02]: overdue" in receiver.heard[0][1]


def test_what_fails_is_told_by_the_tick_and_arrives_later(instance: dg.DagsterInstance, receiver: Webhook) -> None:
    receiver.answers[:] = [500, 500]
    ticks = Ticks(instance, lambda: LATE)
    said = [ticks.tick(NOW + minutes * MINUTE) for minutes in (0, 1, 5)]
    assert said == ["1 open, 0 told, ALL: answered 500", "1 open, 0 told, ALL: answered 500", "1 open, 1 told"]
    assert "hunter2" not in "".join(said) + str(ticks.cursor)


def test_a_variable_that_is_not_set_stops_nothing_and_is_told(instance: dg.DagsterInstance) -> None:
    said = Ticks(instance, lambda: LATE).tick(NOW)
    assert said == "1 open, 0 told, ALL: the environment variable ALL is not set"


def test_a_look_that_fails_stops_nothing_and_is_told(instance: dg.DagsterInstance, receiver: Webhook) -> None:
    def look() -> Look:
        raise OSError("the lake is away")

    ticks = Ticks(instance, look)
    assert ticks.tick(NOW) == "0 open, 0 told, cannot look: OSError: the lake is away"
    assert ticks.tick(NOW + 10 * MINUTE).startswith("1 open, 1 told")
    assert b"nobody watches" in receiver.heard[0][1]


def test_a_cursor_of_another_version_is_no_reason_to_fail(instance: dg.DagsterInstance, receiver: Webhook) -> None:
    ticks = Ticks(instance, lambda: LATE)
    ticks.cursor = "something else"
    assert ticks.tick(NOW) == "1 open, 1 told"


def test_what_the_sensor_remembers_is_found_by_its_name(instance: dg.DagsterInstance, receiver: Webhook) -> None:
    assert book_of(instance) is None
    ticks = Ticks(instance, lambda: LATE)
    ticks.tick(NOW)
    remember(instance, ticks.cursor)
    book = book_of(instance)
    assert book == from_text(ticks.cursor)
    assert book is not None
    assert set(book.entries) == {DELAYS}


def remember(instance: dg.DagsterInstance, cursor: str | None) -> None:
    """Keep a cursor as Dagster's daemon does after a tick."""
    location = InProcessCodeLocationOrigin(
        LoadableTargetOrigin(python_file=str(Path(__file__))), location_name="batch_platform"
    )
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), SENSOR)
    data = SensorInstigatorData(cursor=cursor)
    instance.add_instigator_state(InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data))
