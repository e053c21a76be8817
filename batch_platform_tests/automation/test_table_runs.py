"""Dagster's runs in terms of tables and partitions: which are at work, and how long they take."""

from __future__ import annotations

import time

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test

from batch_platform.automation.observing import Observer
from batch_platform.automation.reporting import asset_key
from batch_platform.automation.table_runs import longest_recent, partitions_running, unfinished
from batch_platform.settings import Settings
from batch_platform_tests.schedules.tables import NOW, READER, SOURCE, reader, source, undated

TABLES = [source(), reader(), undated()]
ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("location"), "__repository__"), "__ASSET_JOB"
)


def run(
    instance: dg.DagsterInstance, table: str, status: dg.DagsterRunStatus = dg.DagsterRunStatus.QUEUED, **tags: str
) -> dg.DagsterRun:
    named = {f"dagster/{name}": text for name, text in tags.items()}
    return create_run_for_test(
        instance,
        status=status,
        asset_selection=frozenset([asset_key(table)]),
        tags=named,
        job_name="__ASSET_JOB",
        remote_job_origin=ORIGIN,
    )


@pytest.mark.parametrize(
    "status",
    [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED],
)
def test_whoever_asked_for_them_partitions_that_are_queued_or_running_are_known(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    run(instance, SOURCE, status, partition="2025-03-05")
    run(instance, READER, status, asset_partition_range_start="2025-03-07", asset_partition_range_end="2025-03-09")
    assert partitions_running(unfinished(instance), TABLES) == {
        SOURCE: {"2025-03-05"},
        READER: {"2025-03-07", "2025-03-08", "2025-03-09"},
    }


def test_a_run_without_partitions_or_with_nonsense_for_them_is_taken_for_all_of_the_table(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    run(instance, SOURCE)
    run(instance, READER, partition="yesterday")
    run(instance, "snapshots/register")
    assert partitions_running(unfinished(instance), TABLES) == {
        SOURCE: {""},
        READER: {""},
        "snapshots/register": {""},
    }
    facts = Observer.of(TABLES, [], settings, instance).observe(NOW)
    assert facts.is_running(SOURCE, "2025-03-05")


@pytest.mark.parametrize(
    "status", [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
)
def test_what_has_ended_does_not_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> None:
    run(instance, SOURCE, status, partition="2025-03-05")
    assert partitions_running(unfinished(instance), TABLES) == {}


def test_runs_of_other_assets_do_not_count(instance: dg.DagsterInstance) -> None:
    run(instance, "somebody/else", partition="2025-03-05")
    assert partitions_running(unfinished(instance), TABLES) == {}


def test_runs_that_succeeded_say_how_long_one_takes_at_worst(instance: dg.DagsterInstance) -> None:
    @dg.asset(key=asset_key(SOURCE))
    def orders() -> None:
        time.sleep(0.3)

    @dg.asset(key=asset_key(READER))
    def failing() -> None:
        raise ValueError("broken")

    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    definitions = dg.Definitions([orders, failing])
    job = definitions.resolve_implicit_global_asset_job_def()
    for key in (SOURCE, READER):
        job.execute_in_process(
            instance=instance, asset_selection=[asset_key(key)], raise_on_error=False, run_config=quiet
        )
    found = longest_recent(instance)
    assert found.keys() == {SOURCE}
    assert 0.3 <= found[SOURCE] < 60


@pytest.mark.parametrize(
    "tags",
    [
        {"asset_partition_range_start": "2024-01-01", "asset_partition_range_end": "2024-12-31"},
        {"partition": "2024-01-01", "backfill": "abcd"},
    ],
)
def test_a_backfill_says_nothing_about_how_long_the_next_day_takes(
    instance: dg.DagsterInstance, tags: dict[str, str]
) -> None:
    @dg.asset(key=asset_key(SOURCE))
    def orders() -> None:
        pass

    job = dg.Definitions([orders]).resolve_implicit_global_asset_job_def()
    named = {f"dagster/{name}": text for name, text in tags.items()}
    job.execute_in_process(instance=instance, asset_selection=[orders.key], tags=named)
    assert longest_recent(instance) == {}
    job.execute_in_process(instance=instance, asset_selection=[orders.key], tags={"dagster/partition": "2025-03-09"})
    assert longest_recent(instance).keys() == {SOURCE}
