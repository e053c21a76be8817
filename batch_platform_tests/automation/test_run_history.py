"""What Dagster recorded of a partition: its newest failure, the run at work, and when it was there first."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from batch_platform.automation.reporting import asset_key, evaluation
from batch_platform.automation.run_history import RunHistory
from batch_platform.outcomes import CheckOutcome
from batch_platform.schedules.history import Failure
from batch_platform_tests.pipelines.project import Project, execute, write_orders
from batch_platform_tests.schedules.deadlines import DAYS as CALENDAR
from batch_platform_tests.schedules.deadlines import table_of

DAYS = ["2025-01-05", "2025-01-06", "2025-01-07"]
BAD = DAYS[1]
ORDERS, FEATURES, QUARANTINE = "snapshots/orders", "features/order_features", "quarantine/order_features"


def history(instance: dg.DagsterInstance) -> RunHistory:
    """One look."""
    return RunHistory(instance, {name: table_of(name, CALENDAR, "+1d") for name in (ORDERS, FEATURES)})


def _break(project: Project) -> None:
    path = project.root / "data" / "orders" / BAD / "part-0.csv"
    path.write_text("order_id,customer,channel,amount_euros,items_count\n1,customer 1,web\n")


def test_a_failure_is_told_until_a_newer_result_is_good(project: Project, instance: dg.DagsterInstance) -> None:
    write_orders(project.root, DAYS)
    _break(project)
    first = execute(project.definitions(), instance, [ORDERS], DAYS[0], DAYS[-1])
    found = history(instance).failure(ORDERS, BAD, "")
    assert found is not None and found.run_id == first.run_id
    assert found.text.startswith("data/orders/2025-01-06/part-0.csv, row 1: 3 fields")
    assert history(instance).failure(ORDERS, DAYS[0], "") is None
    assert history(instance).failure(ORDERS, "2025-01-08", "") is None
    write_orders(project.root, [BAD])
    assert execute(project.definitions(), instance, [ORDERS], BAD, BAD).success
    assert history(instance).failure(ORDERS, BAD, "") is None


def test_a_run_that_failed_before_a_step_could_report_says_why(project: Project, instance: dg.DagsterInstance) -> None:
    """The step of the features never began; the error is that of the step before it."""
    write_orders(project.root, DAYS)
    _break(project)
    failed = execute(project.definitions(), instance, [ORDERS, FEATURES, QUARANTINE], BAD, BAD)
    found = history(instance).failure(FEATURES, BAD, "")
    assert found is not None and found.run_id == failed.run_id
    assert "row 1: 3 fields, but the header has 5" in found.text and "\n" not in found.text


def test_a_result_of_another_check_is_told_as_it_stands(instance: dg.DagsterInstance) -> None:
    told = CheckOutcome("contract", False, "first line\nsecond line")
    instance.report_runless_asset_event(evaluation(FEATURES, BAD, told, None))
    assert history(instance).failure(FEATURES, BAD, "contract") == Failure("first line")


def test_the_first_materialization_counts_however_often_it_is_made_again(
    project: Project, instance: dg.DagsterInstance
) -> None:
    """What was only said to have arrived, by whoever reported it to Dagster's API, was not made."""
    instance.report_runless_asset_event(dg.AssetMaterialization(asset_key(ORDERS), partition=DAYS[0]))
    assert history(instance).first_made(ORDERS, DAYS[0]) is None
    write_orders(project.root, DAYS)
    before = datetime.now(UTC)
    execute(project.definitions(), instance, [ORDERS], DAYS[0], DAYS[0])
    between = datetime.now(UTC)
    execute(project.definitions(), instance, [ORDERS], DAYS[0], DAYS[-1])
    first = history(instance).first_made(ORDERS, DAYS[0])
    second = history(instance).first_made(ORDERS, DAYS[1])
    assert first is not None and second is not None
    assert before < first < between < second


def test_the_run_at_work_is_the_one_that_was_asked_for_first(instance: dg.DagsterInstance) -> None:
    key = asset_key(ORDERS)
    span = {ASSET_PARTITION_RANGE_START_TAG: DAYS[0], ASSET_PARTITION_RANGE_END_TAG: DAYS[1]}
    first, second = (
        dg.DagsterRun("job", status=status, asset_selection=frozenset({key}), tags=tags)
        for status, tags in (
            (dg.DagsterRunStatus.STARTING, span),
            (dg.DagsterRunStatus.STARTED, {"dagster/partition": DAYS[1]}),
        )
    )
    over = dg.DagsterRun("job", status=dg.DagsterRunStatus.SUCCESS, asset_selection=frozenset({key}), tags=span)
    for run in (over, first, second):
        instance.run_storage.add_run(run)
    looked = history(instance)
    found = looked.underway(ORDERS, DAYS[1])
    assert found is not None and found.run_id == first.run_id
    assert found.since.tzinfo is not None
    assert looked.underway(ORDERS, DAYS[2]) is None
    assert looked.underway(FEATURES, DAYS[1]) is None
