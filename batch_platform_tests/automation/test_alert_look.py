"""From a lake and Dagster to messages: what is missing, wrong, undelivered or failed is found, and found to be over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from dagster._core.test_utils import create_run_for_test

from batch_platform.alerts.finding import Kind, findings_of
from batch_platform.alerts.reading import PRODUCED
from batch_platform.alerts.watch import Look
from batch_platform.automation import backfill_records, clock
from batch_platform.automation.alert_look import AlertLook, delivery_checks, failed_backfills
from batch_platform.automation.alerting import alerts_sensor
from batch_platform.automation.backfill_records import Recorded
from batch_platform.automation.observing import Observer
from batch_platform.automation.reporting import ERROR_CHECK, asset_key, check_specs, evaluation
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.outcomes import CheckOutcome
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.schedules.arrival_book import ArrivalBook, write_book
from batch_platform.schedules.books import LakeBooks
from batch_platform.schedules.facts import Facts
from batch_platform.schedules.rules import Rules
from batch_platform.schedules.scheduled import Input, Scheduled
from batch_platform.schedules.slo import Slo
from batch_platform.schedules.spans import parse_span
from batch_platform.schedules.windows import Named, Windows
from batch_platform.sinks.delivery import CHECK
from batch_platform_tests.alerts.cases import DELAYS, EVERYBODY, FEATURES, FLIGHTS
from batch_platform_tests.alerts.receivers import webhook
from batch_platform_tests.lake.writers import commit_rows
from batch_platform_tests.sinks.rows import settings_of

NOW = datetime(2026, 3, 3, 6, 30, tzinfo=UTC)
DAYS = Calendar(Cadence.DAILY, "2026-03-01")
KEYS = ["2026-03-01", "2026-03-02"]
ROWS = pa.table({"flight_id": [1, 2]})
SINKS = dg.AssetCheckKey(asset_key(DELAYS), CHECK)


def scheduled(name: str, *reads: str, source: bool = False, due: str = "", enabled: bool = True) -> Scheduled:
    slo = Slo(Offset.parse(due), critical=True) if due else None
    return Scheduled(
        name,
        DAYS,
        Offset.parse("+1d"),
        Rules.declared(Cadence.DAILY, name, enabled=enabled),
        inputs=tuple(Input(read, lambda key: [key]) for read in reads),
        slo=slo,
        pipeline="flight_delay",
        owners=("team:flight-ops",),
        source=source,
        watched=source,
    )


TABLES = (
    scheduled(FLIGHTS, source=True),
    scheduled(FEATURES, FLIGHTS),
    scheduled(DELAYS, FEATURES, due="+1d 06:00"),
)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path / "lake"))
    write_book(lake, FLIGHTS, ArrivalBook(watched=True))
    return lake


def looking(
    instance: dg.DagsterInstance, lake: Lake, windows: Windows | None = None, tables: tuple[Scheduled, ...] = TABLES
) -> AlertLook:
    checks = [spec for table in TABLES for spec in check_specs(table.table, {"ledger": "."}, None)]
    settings = settings_of(lake, Path(lake.root).parent)
    delivered = delivery_checks([SINKS, dg.AssetCheckKey(asset_key(DELAYS), "ledger")], TABLES)
    return AlertLook(Observer.of(tables, checks, settings, instance, windows), delivered)


def make(lake: Lake, *names: str, keys: list[str] = KEYS) -> None:
    for name in names:
        commit_rows(Table(lake, name), dict.fromkeys(keys, ROWS))


def report(instance: dg.DagsterInstance, table: str, check: CheckOutcome) -> None:
    instance.report_runless_asset_event(evaluation(table, KEYS[1], check, None, blocking=True))


def told(look: Look) -> list[tuple[Kind, str, str]]:
    found = findings_of(look.states, look.tables, NOW, look.incidents)
    return sorted((one.kind, one.place, one.cause.key) for one in found)


def test_what_is_overdue_has_its_cause_at_the_source_that_did_not_deliver(
    instance: dg.DagsterInstance, lake: Lake
) -> None:
    look = looking(instance, lake).look(NOW)
    assert told(look) == [(Kind.OVERDUE, f"{DELAYS}[{key}]", FLIGHTS) for key in KEYS]
    causes = {state.partition: str(state.cause) for state in look.states if state.table == DELAYS}
    assert [causes[key] for key in KEYS] == [f"{FLIGHTS}[{key}]" for key in KEYS]
    assert look.tables[DELAYS].critical
    assert not look.tables[FLIGHTS].critical


def test_where_everything_is_there_nothing_is_wrong(instance: dg.DagsterInstance, lake: Lake) -> None:
    make(lake, FLIGHTS, FEATURES, DELAYS)
    look = looking(instance, lake).look(NOW)
    assert (told(look), look.silent) == ([], False)


def test_a_failed_blocking_check_is_told_with_its_words_and_stops_what_is_downstream(
    instance: dg.DagsterInstance, lake: Lake
) -> None:
    make(lake, FLIGHTS, FEATURES)
    make(lake, DELAYS, keys=KEYS[:1])
    report(instance, FEATURES, CheckOutcome("ledger", False, "3 rows are lost"))
    look = looking(instance, lake).look(NOW)
    place = f"{FEATURES}[{KEYS[1]}]"
    assert told(look) == [(Kind.OVERDUE, f"{DELAYS}[{KEYS[1]}]", FEATURES), (Kind.WRONG, place, FEATURES)]
    assert any("3 rows are lost" in one.text for one in findings_of(look.states, look.tables, NOW))


def test_a_source_that_cannot_be_looked_at_and_a_sink_that_lacks_rows_are_incidents(
    instance: dg.DagsterInstance, lake: Lake
) -> None:
    make(lake, FLIGHTS, FEATURES, DELAYS)
    write_book(lake, FLIGHTS, ArrivalBook(watched=True, problem="s3 does not answer"))
    report(instance, DELAYS, CheckOutcome("delivered", True, "not delivered: sink 'redis' is out of reach", warns=True))
    assert told(looking(instance, lake).look(NOW)) == [
        (Kind.DELIVERY, f"{DELAYS}", f"delivery of {DELAYS}"),
        (Kind.SOURCE_UNREACHABLE, FLIGHTS, FLIGHTS),
    ]


def test_a_planned_backfill_silences_what_is_missing_but_for_the_newest_day(
    instance: dg.DagsterInstance, lake: Lake
) -> None:
    @dg.asset(key=asset_key(DELAYS), partitions_def=DAYS.definition)
    def delays() -> None: ...

    graph = dg.Definitions([delays]).resolve_asset_graph()
    backfill_records.add(instance, graph, {DELAYS: KEYS}, title="all", description="", tags={}, now=NOW)
    look = looking(instance, lake).look(NOW)
    planned = {state.partition: state.planned for state in look.states if state.table == DELAYS}
    assert [planned[key] for key in KEYS] == [True, False]


def test_maintenance_is_silent(instance: dg.DagsterInstance, lake: Lake) -> None:
    span = parse_span("storage", begins="06:00", ends="07:00")
    windows = Windows(maintenance=(Named("storage", (span,)),))
    assert looking(instance, lake, windows).look(NOW).silent
    assert not looking(instance, lake, windows).look(NOW + timedelta(hours=1)).silent


def test_a_failed_backfill_is_told_until_what_it_was_to_make_is_there(lake: Lake) -> None:
    make(lake, DELAYS, keys=KEYS[:1])
    tags = {"batch_platform/owner": "ada@example.org"}
    launched = NOW - timedelta(hours=1)
    failed = Recorded("abc", "failed", "march", tags, launched, NOW, {DELAYS: set(KEYS)}, {}, {DELAYS: set(KEYS)})
    (incident,) = failed_backfills([failed], Facts(NOW, LakeBooks(lake)))
    assert incident.text == f"1 of 2 partitions failed (march): {DELAYS}[{KEYS[1]}]"
    assert (incident.kind, incident.key, incident.owners) == (
        Kind.BACKFILL_FAILED,
        "backfill abc",
        ("ada@example.org",),
    )
    make(lake, DELAYS)
    assert list(failed_backfills([failed], Facts(NOW, LakeBooks(lake)))) == []


@pytest.mark.parametrize("enabled", [False, True])
def test_a_failed_run_is_told_only_of_a_table_that_nothing_makes_by_itself(
    instance: dg.DagsterInstance, lake: Lake, enabled: bool
) -> None:
    name = "features/by_hand"
    tables = (scheduled(name, enabled=enabled),)
    now = datetime.now(UTC)
    tags = {"dagster/partition": KEYS[1]}
    create_run_for_test(
        instance, status=dg.DagsterRunStatus.FAILURE, asset_selection=frozenset({asset_key(name)}), tags=tags
    )
    look = looking(instance, lake, tables=tables)
    found = [(one.kind, one.partition) for one in look.look(now).incidents]
    assert found == ([] if enabled else [(Kind.RUN_FAILED, KEYS[1])])
    make(lake, name)
    assert look.look(now).incidents == []


def test_a_day_that_comes_late_is_one_message_and_its_end(
    instance: dg.DagsterInstance, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with webhook() as receiver:
        monkeypatch.setenv("ALL", f"json://{receiver.address}")
        sensor = alerts_sensor(EVERYBODY, lambda context, now: looking(context.instance, lake).look(now))
        cursor = None

        def tick(minutes: float) -> None:
            nonlocal cursor
            now = NOW + timedelta(minutes=minutes)
            with clock.at(now), dg.build_sensor_context(instance, cursor=cursor) as context:
                cursor = sensor.evaluate_tick(context).cursor

        tick(0)
        tick(1)
        make(lake, FLIGHTS)
        tick(2)
        make(lake, FEATURES, DELAYS)
        for minutes in (3, 14, 15, 16):
            tick(minutes)
    messages = [json.loads(body) for _, body in receiver.heard]
    assert [(one["type"], one["occasion"]) for one in messages] == [("failure", "opened"), ("success", "resolved")]
    assert messages[0]["title"].startswith(f"page: {DELAYS}[{KEYS[0]}] and 1 more: overdue, waits for {FLIGHTS}")
    assert "has not arrived" in messages[0]["message"]


def test_the_checks_that_alerts_read_have_the_names_that_runs_report() -> None:
    assert PRODUCED == ERROR_CHECK
    assert delivery_checks([SINKS], TABLES) == {DELAYS: SINKS}
