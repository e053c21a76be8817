"""Backfills through Dagster: planned, launched, carried out by its daemon, paused, resumed, and done again in part."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.storage.tags import PRIORITY_TAG

from batch_platform.automation import backfill_records
from batch_platform.automation.backfill_records import outstanding
from batch_platform.automation.backfilling import BACKFILL, OWNER, REASON, Backfills
from batch_platform.automation.local_events import speed_up_local_events
from batch_platform.automation.observing import Observer
from batch_platform.automation.schedule import schedule_of
from batch_platform.backfills.states import State
from batch_platform.errors import ConfigurationError
from batch_platform.lake.table import Table
from batch_platform.schedules.decision import decide
from batch_platform.schedules.holds import Hold
from batch_platform.schedules.memory import from_text
from batch_platform.settings import Settings
from batch_platform_tests.automation.daemon import AT_ONCE, Daemon, daemon
from batch_platform_tests.pipelines.console import shown
from batch_platform_tests.pipelines.fixtures import project as project_fixture
from batch_platform_tests.pipelines.fixtures import settings as settings_fixture
from batch_platform_tests.pipelines.project import Project, write_orders

project, settings = project_fixture, settings_fixture
NOW = datetime(2025, 1, 30, 12, tzinfo=UTC)
DAYS = tuple(f"2025-01-{day:02}" for day in range(5, 27))
BAD = "2025-01-09"
ORDERS, OUTCOMES = "snapshots/orders", "snapshots/repeat_orders"
FEATURES, MODEL, PREDICTIONS = "features/order_features", "models/repeat_purchase", "predictions/repeat_purchase"
WEEK = DAYS[:7]

pytestmark = pytest.mark.slow


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster that carries a run out when it is launched."""
    speed_up_local_events()
    home = tmp_path / "dagster"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home), overrides=AT_ONCE) as found:
        yield found


@pytest.fixture
def deployment(
    project: Project, instance: dg.DagsterInstance, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Backfills, Daemon]]:
    """A project with the files of three weeks, its backfills, and the daemon, which looks only when it is told to."""
    monkeypatch.setattr(backfill_records, "SETTLING_SECONDS", 0.0)
    write_orders(project.root, DAYS)
    with project.tree() as tree:
        tables, definitions = schedule_of(tree), tree.build_defs()
    with daemon(project, instance) as looking:
        yield Backfills(tables, definitions, settings, instance), looking


def _launch(backfills: Backfills, names: str, text: str) -> str:
    return backfills.launch(backfills.plan(names.split(), text, NOW), "a test", "team:shop", NOW)


def _spoil(project: Project, day: str) -> Path:
    path = project.root / "data" / "orders" / day / "part-0.csv"
    path.write_text("order_id,customer\n1,somebody\n")
    return path


def test_days_and_weekly_models_are_made_in_one_backfill_in_their_order(
    deployment: tuple[Backfills, Daemon], settings: Settings, instance: dg.DagsterInstance
) -> None:
    backfills, looking = deployment
    planned = backfills.plan([f"+{PREDICTIONS}"], "2025-01-20..2025-01-24", NOW)
    making = planned.making
    assert making[MODEL] == ("2025-01-19",) and making[PREDICTIONS] == DAYS[15:20]
    backfill_id = backfills.launch(planned, "a test", "team:shop", NOW)
    assert looking.carry_out(backfill_id) == "COMPLETED_SUCCESS"

    runs = looking.runs(backfill_id)
    order = [table for tables, _, _ in runs for table in tables]
    assert order.index(ORDERS) < order.index(FEATURES) < order.index(MODEL) < order.index(PREDICTIONS)
    # Runs of one wave are launched in any order.
    expected = sorted((tuple(sorted(run.tables)), run.first, run.last) for run in planned.runs)
    own = [(tuple(table for table in tables if table in making), first, last) for tables, first, last in runs]
    assert sorted(own) == expected
    for table, keys in making.items():
        assert set(instance.get_materialized_partitions(dg.AssetKey(table.split("/")))) == set(keys), table
    assert {found.record.ledger.rows for found in Table(settings.lake, PREDICTIONS).records().values()} == {60}
    assert backfills.plan([f"+{PREDICTIONS}"], "2025-01-20..2025-01-24", NOW).partitions == 0

    found = backfills.find(backfill_id)
    assert found.is_over and found.made == found.target and not any(found.failed.values())
    run = instance.get_runs()[0]
    told = {name: run.tags[name] for name in (REASON, OWNER, BACKFILL, PRIORITY_TAG)}
    assert told == {REASON: "a test", OWNER: "team:shop", BACKFILL: "true", PRIORITY_TAG: "-10"}


def test_one_bad_day_is_done_again_alone(
    deployment: tuple[Backfills, Daemon], project: Project, instance: dg.DagsterInstance
) -> None:
    backfills, looking = deployment
    path = project.root / "data" / "orders" / BAD / "part-0.csv"
    right = path.read_text()
    _spoil(project, BAD)
    first = _launch(backfills, f"+{FEATURES}", f"{WEEK[0]}..{WEEK[-1]}")
    assert looking.carry_out(first) == "COMPLETED_FAILED"
    assert backfills.find(first).failed == {ORDERS: {BAD}, FEATURES: {BAD}}

    states = shown(project, instance, ORDERS)
    assert states.checks["produced"] == [
        (WEEK[0], "2025-01-08", "SUCCEEDED"),
        (BAD, BAD, "FAILED"),
        ("2025-01-10", WEEK[-1], "SUCCEEDED"),
    ]
    again = backfills.plan([f"+{FEATURES}"], f"{WEEK[0]}..{WEEK[-1]}", NOW)
    assert again.making == {ORDERS: (BAD,), FEATURES: (BAD,)}
    # The features of that day were never tried, since their orders are missing.
    assert {own.table: own.counts[State.FAILED] for own in again.tables} == {OUTCOMES: 0, ORDERS: 1, FEATURES: 0}

    path.write_text(right)
    second = backfills.launch(again, "the shop sent the day again", "team:shop", NOW)
    assert looking.carry_out(second) == "COMPLETED_SUCCESS"
    assert {(first, last) for _, first, last in looking.runs(second)} == {(BAD, BAD)}
    assert backfills.plan([f"+{FEATURES}"], f"{WEEK[0]}..{WEEK[-1]}", NOW).partitions == 0


def test_a_backfill_from_the_ui_reports_each_day_as_well(
    deployment: tuple[Backfills, Daemon], project: Project, instance: dg.DagsterInstance
) -> None:
    backfills, looking = deployment
    _spoil(project, BAD)
    assert looking.carry_out(looking.launch([OUTCOMES], WEEK)) == "COMPLETED_SUCCESS"
    backfill_id = looking.launch([ORDERS, FEATURES, "quarantine/order_features"], WEEK)
    assert looking.carry_out(backfill_id) == "COMPLETED_FAILED"
    runs = looking.runs(backfill_id)
    assert [(first, last) for _, first, last in runs] == [(WEEK[0], WEEK[-1])], "one run for all days and tables"
    good = [(WEEK[0], "2025-01-08", "MATERIALIZED"), ("2025-01-10", WEEK[-1], "MATERIALIZED")]
    for table in (ORDERS, FEATURES):
        # A day that failed is missing; the day's check says why.
        assert [found for found in shown(project, instance, table).partitions if found[2] == "MATERIALIZED"] == good
        assert (BAD, BAD, "FAILED") in shown(project, instance, table).checks["produced"]
    assert backfills.plan([ORDERS, FEATURES], "2025-01", NOW).tables[0].counts[State.FAILED] == 1
    assert backfills.recent()[0].backfill_id == backfill_id


def test_a_paused_backfill_launches_nothing_and_goes_on_where_it_was(
    deployment: tuple[Backfills, Daemon], instance: dg.DagsterInstance
) -> None:
    backfills, looking = deployment
    backfill_id = _launch(backfills, f"{ORDERS} {OUTCOMES} {MODEL} +{FEATURES}", "2025-01-05..2025-01-19")
    looking.look()
    paused = backfills.pause(backfill_id, NOW)
    assert (paused.status, paused.is_over, paused.working) == ("paused", True, 0)
    launched = looking.runs(backfill_id)
    looking.look()
    assert looking.runs(backfill_id) == launched
    with pytest.raises(ConfigurationError, match="is over: paused"):
        backfills.pause(backfill_id, NOW)

    resumed = backfills.resume(backfill_id, NOW)
    before, after = backfills.find(backfill_id), backfills.find(resumed)
    assert ORDERS not in after.target and after.target[MODEL] == {"2025-01-19"}
    assert after.tags[REASON] == before.tags[REASON] and after.tags["dagster/parent_backfill_id"] == backfill_id
    assert after.title == f"{before.title}, resumed"
    with pytest.raises(ConfigurationError, match="is requested"):
        backfills.resume(resumed, NOW)
    assert looking.carry_out(resumed) == "COMPLETED_SUCCESS"
    with pytest.raises(ConfigurationError, match="is left to make"):
        backfills.resume(backfill_id, NOW)


def test_what_is_made_after_a_pause_is_told_as_made(deployment: tuple[Backfills, Daemon]) -> None:
    backfills, looking = deployment
    backfill_id = _launch(backfills, ORDERS, f"{WEEK[0]}..{WEEK[-1]}")
    looking.look()
    backfills.pause(backfill_id, NOW)
    recorded = backfill_records.find(backfills.instance, backfills.tables, backfill_id)
    assert (recorded.status, recorded.made) == ("paused", {}), "Dagster itself knows of nothing that was made"
    (listed,) = backfills.recent()
    for found in (listed, backfills.find(backfill_id)):
        assert (found.status, found.made) == ("done", {ORDERS: set(WEEK)})


def test_a_cancelled_backfill_ends(deployment: tuple[Backfills, Daemon]) -> None:
    backfills, looking = deployment
    backfill_id = _launch(backfills, f"{ORDERS} {FEATURES}", "2025-01-05..2025-01-08")
    assert backfills.cancel(backfill_id).status == "canceling"
    assert looking.carry_out(backfill_id) == "CANCELED"
    assert looking.runs(backfill_id) == []
    with pytest.raises(ConfigurationError, match="there is no backfill 'nonsense'"):
        backfills.cancel("nonsense")


def test_the_schedule_leaves_to_a_backfill_what_it_is_about_to_make(
    deployment: tuple[Backfills, Daemon], settings: Settings, instance: dg.DagsterInstance
) -> None:
    backfills, looking = deployment
    graph = backfills.definitions.resolve_asset_graph()
    checks = [graph.get_check_spec(key) for key in graph.asset_check_keys]

    def decided() -> tuple[set[str], set[str]]:
        """Of the orders, the days that are started by the schedule, and those that it leaves alone."""
        facts = Observer.of(backfills.tables, checks, settings, instance).observe(NOW)
        decision = decide(backfills.tables, facts, from_text(None))
        started = {key for run in decision.runs if ORDERS in run.tables for key in run.keys}
        left = {key for (table, key), held in decision.held.items() if table == ORDERS and held.hold is Hold.RUNNING}
        return started, left

    assert outstanding(instance, backfills.tables) == {}
    wanted = {"2025-01-06", "2025-01-07", "2025-01-08"}
    assert wanted <= decided()[0]
    backfill_id = looking.launch([ORDERS], sorted(wanted))
    assert outstanding(instance, backfills.tables) == {ORDERS: wanted}
    started, left = decided()
    assert left == wanted and not started & wanted and started, "the other days are started as ever"
    planned = backfills.plan([ORDERS], "2025-01-05..2025-01-10", NOW)
    assert planned.tables[0].counts[State.RUNNING] == 3
    assert looking.carry_out(backfill_id) == "COMPLETED_SUCCESS"
    assert outstanding(instance, backfills.tables) == {} and not decided()[1]


def test_a_backfill_without_a_reason_or_without_anything_to_do_is_refused(
    deployment: tuple[Backfills, Daemon],
) -> None:
    backfills, looking = deployment
    planned = backfills.plan([ORDERS], "2025-01-05", NOW)
    with pytest.raises(ConfigurationError, match="--reason is empty"):
        backfills.launch(planned, "  ", "team:shop", NOW)
    looking.carry_out(backfills.launch(planned, "a test", "team:shop", NOW))
    with pytest.raises(ConfigurationError, match="nothing to make"):
        backfills.launch(backfills.plan([ORDERS], "2025-01-05", NOW), "a test", "team:shop", NOW)
    assert not backfills.is_carried_out(NOW), "no daemon runs beside this test"


def test_a_title_is_one_that_dagster_takes(deployment: tuple[Backfills, Daemon]) -> None:
    backfills, _ = deployment
    planned = backfills.plan(["*", *[FEATURES] * 9], "2025-01-05", NOW)
    found = backfills.find(backfills.launch(planned, "a test", "team:shop", NOW))
    assert "*" not in found.title and len(found.title) <= 100


def test_canary_dagster_keeps_what_the_records_stand_on() -> None:
    """The private parts that `backfill_records.py` uses; if this fails, look there."""
    fields = set(PartitionBackfill._fields)
    assert {"asset_backfill_data", "backfill_end_timestamp", "submitting_run_requests", "reserved_run_ids"} <= fields
