"""On a real instance: what the sensor `freshness` reports of each partition, and what executing its check reports.

These are also the canary for the table of Dagster's store that `runless_checks.py` changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from batch_platform.automation import clock
from batch_platform.automation.freshness import NAME
from batch_platform.automation.on_time import CHECK
from batch_platform.automation.reporting import asset_key
from batch_platform.automation.runless_checks import make_room
from batch_platform.definitions import location_of
from batch_platform.schedules.arrival_book import ArrivalBook, write_book
from batch_platform.settings import Settings
from batch_platform_tests.pipelines.project import Project, execute, write_orders

DAYS = ["2025-01-05", "2025-01-06", "2025-01-07", "2025-01-08"]
BAD = DAYS[2]
ORDERS, OUTCOMES = "snapshots/orders", "snapshots/repeat_orders"
FEATURES, QUARANTINE = "features/order_features", "quarantine/order_features"
STEPS = (ORDERS, OUTCOMES, FEATURES, QUARANTINE)
KEY = dg.AssetCheckKey(asset_key(FEATURES), CHECK)
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

Results = dict[str, tuple[bool, str, str]]
"""Partition -> whether the newest result is good, its severity and what it says."""


@contextmanager
def moment(text: str) -> Iterator[None]:
    """A moment on the wall clock in Berlin."""
    with clock.at(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"))):
        yield


@pytest.fixture
def located(project: Project) -> Iterator[dg.Definitions]:
    """The shop's pipeline without its model; features are due at ten in the morning after, with a warning at nine."""
    documents: list[dict[str, Any]] = project.documents("repeat_purchase")[:3]  # type: ignore[assignment]
    documents[2]["attributes"]["slo"] = {"due": "+1d 10:00", "warn": "+1d 09:00"}
    project.declare("repeat_purchase", documents)
    with project.tree():
        yield location_of(project.root)


class Ticks:
    """The sensor, as the daemon evaluates it."""

    def __init__(self, located: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self.located, self.instance, self.cursor = located, instance, None
        self.sensor = located.resolve_sensor_def(NAME)

    def tick(self) -> tuple[int, str]:
        """One look: how many results it reported, and its summary."""
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor, definitions=self.located)
        found = self.sensor.evaluate_tick(context)
        for event in found.asset_events:
            self.instance.report_runless_asset_event(event)
        self.cursor = found.cursor or self.cursor
        return len(found.asset_events), found.skip_message or ""


def results(instance: dg.DagsterInstance) -> Results:
    """The newest result of each partition of the features; what is only planned is left out."""
    found: Results = {}
    for record in reversed(instance.event_log_storage.get_asset_check_execution_history(KEY, 200)):
        told = record.evaluation
        if record.status.value != "PLANNED" and told is not None:
            found[told.partition or ""] = (told.passed, told.severity.value, told.description or "")
    return found


def test_each_change_of_a_state_is_reported_once_and_replaces_the_result_before(
    project: Project, located: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    ticks = Ticks(located, instance)
    write_book(Settings.from_environment().lake, ORDERS, ArrivalBook())
    with moment("2025-01-07T08:30"):
        assert ticks.tick() == (2, "1 overdue, 1 due")
        assert results(instance)["2025-01-06"] == (
            True,
            "ERROR",
            "due 2025-01-07 10:00 CET: snapshots/orders[2025-01-06]: has not arrived",
        )
        assert ticks.tick()[0] == 0
    with moment("2025-01-07T09:30"):
        # The day before has become later by an hour, and that of today is a worry.
        assert ticks.tick()[0] == 2
        passed, severity, text = results(instance)["2025-01-06"]
        assert (passed, severity) == (False, "WARN") and text.startswith("due 2025-01-07 10:00 CET: ")
    with moment("2025-01-07T10:00"):
        assert ticks.tick()[0] >= 1
        passed, severity, text = results(instance)["2025-01-06"]
        assert (passed, severity) == (False, "ERROR") and text.startswith("overdue since 2025-01-07 10:00 CET: ")
    write_orders(project.root, DAYS[:2])
    assert execute(located, instance, STEPS, DAYS[0], DAYS[1]).success
    with moment("2025-01-07T10:05"):
        assert ticks.tick()[1] == "2 fresh, 1 due"
        assert all(passed for passed, _, _ in results(instance).values())
        assert ticks.tick()[0] == 0


def test_a_partition_that_failed_says_why_and_where_and_the_good_days_are_green(
    project: Project, located: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    write_orders(project.root, DAYS)
    (project.root / "data" / "orders" / BAD / "part-0.csv").write_text(
        "order_id,customer,channel,amount_euros,items_count\n1,customer 1,web\n"
    )
    run = execute(located, instance, STEPS, DAYS[0], DAYS[-1])
    ticks = Ticks(located, instance)
    with moment("2025-01-09T12:00"):
        assert ticks.tick()[1] == "3 fresh, 1 overdue, 1 due"
    found = results(instance)
    assert {day: passed for day, (passed, _, _) in found.items()} == {day: day != BAD for day in DAYS}
    assert found[BAD][2].startswith(f"overdue since 2025-01-08 10:00 CET: {ORDERS}[{BAD}]: ")
    assert "part-0.csv, row 1: 3 fields, but the header has 5" in found[BAD][2]
    newest = instance.event_log_storage.get_asset_check_execution_history(KEY, 20)
    told = next(record.evaluation for record in newest if record.partition == BAD)
    assert told is not None
    shown = {name: item.value for name, item in told.metadata.items()}
    assert shown["run"] == run.run_id
    assert (shown["state"], shown["due"], shown["where"]) == ("overdue", "2025-01-08 10:00 CET", f"{ORDERS}[{BAD}]")
    assert "1 d 2 h" in shown["past its deadline"]


def test_a_run_that_fails_before_it_reports_does_not_hide_the_state(
    project: Project, located: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    ticks = Ticks(located, instance)
    with moment("2025-01-06T12:00"):
        ticks.tick()
        assert not execute(located, instance, STEPS, DAYS[0], DAYS[0]).success
        newest = instance.event_log_storage.get_asset_check_execution_history(KEY, 1)[0]
        assert newest.status.value == "PLANNED"
        assert ticks.tick()[0] == 1
        newest = instance.event_log_storage.get_asset_check_execution_history(KEY, 1)[0]
        assert (newest.status.value, newest.partition) == ("FAILED", DAYS[0])


def test_the_check_alone_looks_for_itself_for_one_partition_a_range_and_all_of_them(
    located: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    job = located.resolve_implicit_global_asset_job_def()
    for tags in (
        {},
        {"dagster/partition": DAYS[0]},
        {ASSET_PARTITION_RANGE_START_TAG: DAYS[0], ASSET_PARTITION_RANGE_END_TAG: DAYS[2]},
    ):
        alone = job.get_subset(asset_selection=set(), asset_check_selection={KEY})
        with moment("2025-01-07T12:00"):
            ran = alone.execute_in_process(
                instance=instance, tags=tags, run_config=_QUIET, partition_key=tags.get("dagster/partition")
            )
        assert ran.success
        found = {told.partition: told.passed for told in ran.get_asset_check_evaluations()}
        expected = {DAYS[0]: False, DAYS[1]: False, DAYS[2]: True}
        asked = {0: DAYS[:2], 1: DAYS[:1], 2: DAYS[:3]}[len(tags)]
        assert found == {day: expected[day] for day in asked}
        assert f"{ORDERS}[{DAYS[0]}]: " in results(instance)[DAYS[0]][2]


def test_a_result_that_no_run_reports_can_be_reported_again(instance: dg.DagsterInstance) -> None:
    """Without room, Dagster's store refuses the second one: if it no longer does, `runless_checks.py` can go."""
    from batch_platform.automation.reporting import evaluation
    from batch_platform.outcomes import CheckOutcome

    def told(text: str, key: str = "2025-01-05") -> Any:
        return evaluation(FEATURES, key, CheckOutcome(CHECK, False, text), None)

    instance.report_runless_asset_event(told("first"))
    instance.report_runless_asset_event(told("beside", "2025-01-06"))
    with pytest.raises(Exception, match="UNIQUE"):
        instance.report_runless_asset_event(told("second"))
    make_room(instance, [told("second")])
    instance.report_runless_asset_event(told("second"))
    assert {day: text for day, (_, _, text) in results(instance).items()} == {
        "2025-01-05": "second",
        "2025-01-06": "beside",
    }


def test_a_lake_that_cannot_be_read_is_told_in_the_tick_and_nothing_is_forgotten(
    project: Project, located: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    ticks = Ticks(located, instance)
    with moment("2025-01-06T12:00"):
        ticks.tick()
        before = ticks.cursor
        write_orders(project.root, DAYS[:1])
        execute(located, instance, STEPS, DAYS[0], DAYS[0])
        for entry in project.root.rglob("_delta_log/*.json"):
            entry.write_text("{")
        reported, told = ticks.tick()
    assert reported == 0 and "LakeError" in told
    assert ticks.cursor == before
