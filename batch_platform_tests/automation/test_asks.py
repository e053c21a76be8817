"""Whoever says that something has arrived, from the command line or over Dagster's API, is heard once."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from batch_platform.automation import asks
from batch_platform.automation.asks import SEEN, asked_partition, heard, tell
from batch_platform.automation.reporting import asset_key
from batch_platform.errors import ConfigurationError, PartitionKeyError
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.schedules.arrival_book import Asked
from batch_platform.schedules.rules import Rules
from batch_platform.schedules.scheduled import Scheduled

NOW = datetime(2026, 1, 10, 6, tzinfo=UTC)
RULES = Rules.declared(Cadence.DAILY, "x")
FLIGHTS = Scheduled("snapshots/flights", Calendar(Cadence.DAILY, "2026-01-01"), Offset.parse("+1d"), RULES, source=True)
AIRPORTS = Scheduled("snapshots/airports", None, Offset.parse("0d"), RULES, source=True)
TABLES = [FLIGHTS, AIRPORTS]


def asked(instance: dg.DagsterInstance, after: int = 0) -> dict[str, dict[str, str]]:
    found = heard(instance, TABLES, after, NOW)
    return {table: {key: ask.reason for key, ask in asks.items()} for table, asks in found.asked.items()}


def test_what_is_told_is_heard_with_its_reason(instance: dg.DagsterInstance) -> None:
    assert tell(instance, TABLES, "flights", ["2026-01-05", "2026-01-05", "2026-01-02"], "late", NOW) == FLIGHTS.table
    assert tell(instance, TABLES, "snapshots/airports", [], "", NOW) == AIRPORTS.table
    assert asked(instance) == {
        "snapshots/flights": {"2026-01-05": "late", "2026-01-02": "late"},
        "snapshots/airports": {"": "said to have arrived"},
    }
    records = instance.fetch_observations(asset_key(FLIGHTS.table), 10).records
    assert len(records) == 2


def test_events_are_read_after_the_last_one_that_was_read(instance: dg.DagsterInstance) -> None:
    tell(instance, TABLES, "flights", ["2026-01-05"], "one", NOW)
    first = heard(instance, TABLES, 0, NOW)
    assert heard(instance, TABLES, first.newest, NOW).asked == {}
    tell(instance, TABLES, "flights", ["2026-01-05"], "two", NOW)
    assert asked(instance, first.newest) == {"snapshots/flights": {"2026-01-05": "two"}}
    assert heard(instance, TABLES, 0, NOW).asked[FLIGHTS.table]["2026-01-05"].reason == "two"


def test_what_runs_report_and_what_the_sensor_saw_are_no_asks(instance: dg.DagsterInstance) -> None:
    @dg.asset(key=asset_key(FLIGHTS.table), partitions_def=FLIGHTS.calendar.definition if FLIGHTS.calendar else None)
    def flights() -> None: ...

    dg.materialize([flights], instance=instance, partition_key="2026-01-05")
    instance.report_runless_asset_event(
        dg.AssetObservation(asset_key(FLIGHTS.table), partition="2026-01-04", tags={SEEN: "true"})
    )
    instance.report_runless_asset_event(dg.AssetMaterialization(asset_key("features/x"), partition="2026-01-04"))
    assert asked(instance) == {}


@pytest.mark.parametrize(
    ("table", "keys", "kind", "words"),
    [
        ("trains", ["2026-01-05"], ConfigurationError, "there is no snapshot 'trains'"),
        ("flights", ["2026-1-5"], PartitionKeyError, "is not a daily partition key"),
        ("flights", ["2025-12-31"], PartitionKeyError, "before the first partition"),
        ("flights", ["2026-01-05", "2026-01-10"], PartitionKeyError, "does not exist yet"),
        ("flights", [], PartitionKeyError, "which partition"),
        ("airports", ["2026-01-05"], PartitionKeyError, "has no partitions"),
    ],
)
def test_what_is_not_there_cannot_arrive_and_nothing_is_told(
    instance: dg.DagsterInstance, table: str, keys: list[str], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        tell(instance, TABLES, table, keys, "", NOW)
    assert heard(instance, TABLES, 0, NOW).newest == 0


def test_a_partition_of_an_hour_that_comes_twice_is_one() -> None:
    hours = Calendar(Cadence.HOURLY, "2025-11-01-00:00", "America/New_York")
    assert asked_partition("snapshots/x", hours, "2025-11-02-01:00-0500", NOW) == "2025-11-02-01:00-0500"


@pytest.fixture
def webserver(instance: dg.DagsterInstance) -> Iterator[str]:
    """The address of Dagster's own web server over the instance."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    program = Path(sys.executable).with_name("dagster-webserver")
    environment = {**os.environ, "DAGSTER_HOME": instance.root_directory, "DAGSTER_DISABLE_TELEMETRY": "yes"}
    command = [str(program), "--empty-workspace", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/server_info", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def post(address: str, body: object) -> str:
    request = urllib.request.Request(
        address, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode())


@pytest.mark.slow
def test_whoever_reports_over_the_api_of_a_real_server_is_heard(webserver: str, instance: dg.DagsterInstance) -> None:
    said = {"partition": "2026-01-02", "metadata": {"reason": "by the vendor"}}
    assert post(f"{webserver}/report_asset_observation/snapshots/flights", said) == "{}"
    said = {"partition": "2026-01-03", "description": "landed", "data_version": "7"}
    assert post(f"{webserver}/report_asset_materialization/snapshots/flights", said) == "{}"
    answer = post(
        f"{webserver}/graphql",
        {
            "query": "mutation($event: ReportRunlessAssetEventsParams!) "
            "{ reportRunlessAssetEvents(eventParams: $event) { __typename ... on PythonError { message } } }",
            "variables": {
                "event": {
                    "eventType": "ASSET_OBSERVATION",
                    "assetKey": {"path": ["snapshots", "flights"]},
                    "partitionKeys": ["2026-01-04", "2026-01-12"],
                }
            },
        },
    )
    assert "ReportRunlessAssetEventsSuccess" in answer
    found = heard(instance, TABLES, 0, NOW)
    assert {key: ask.reason for key, ask in found.asked["snapshots/flights"].items()} == {
        "2026-01-02": "by the vendor",
        "2026-01-03": "landed",
        "2026-01-04": "",
    }
    assert found.refused == ("snapshots/flights: '2026-01-12' does not exist yet (the newest partition is 2026-01-09)",)
    assert min(ask.at for ask in found.asked["snapshots/flights"].values()) > time.time() - 300


def test_a_run_that_has_just_ended_meets_an_ask_however_many_were_requested_since(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asks, "_MOST_RUNS", 2)
    long = create_run_for_test(instance, asset_selection=frozenset([asset_key(FLIGHTS.table)]))
    for _ in range(3):
        instance.report_run_failed(create_run_for_test(instance))
    asked = {"2026-01-05": Asked(1, 0.0)}
    assert asks.met(instance, FLIGHTS.table, asked) == set()
    instance.report_run_failed(long)
    assert asks.met(instance, FLIGHTS.table, asked) == {"2026-01-05"}
