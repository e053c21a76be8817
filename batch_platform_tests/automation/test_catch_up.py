"""Catching up runs what is missing, all of it and nothing else, in unbroken stretches."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.automation import catch_up
from batch_platform.automation.catch_up import RunFailedError, Wanted, materialize, missing
from batch_platform.automation.reporting import asset_key
from batch_platform.settings import Settings
from batch_platform_tests.pipelines.project import Project, run, write_orders

DAYS = ("2025-01-05", "2025-01-06", "2025-01-07", "2025-01-08")
ORDERS = Wanted("snapshots/orders", DAYS)


def _runs(instance: dg.DagsterInstance) -> list[tuple[str, str]]:
    """First and last partition of every run, oldest first."""
    tags = [run.tags for run in reversed(instance.get_runs())]
    return [(tag["dagster/asset_partition_range_start"], tag["dagster/asset_partition_range_end"]) for tag in tags]


def test_only_missing_partitions_run_and_a_second_time_nothing_does(
    project: Project, instance: dg.DagsterInstance, settings: Settings
) -> None:
    write_orders(project.root, DAYS)
    definitions = project.definitions()
    run(definitions, instance, Wanted(ORDERS.table, DAYS[1:2]), settings)
    assert missing(ORDERS, settings, instance) == [DAYS[0], *DAYS[2:]]

    counted: list[int] = []
    materialize(definitions, instance, ORDERS, missing(ORDERS, settings, instance), counted.append)
    assert _runs(instance) == [(DAYS[1], DAYS[1]), (DAYS[0], DAYS[0]), (DAYS[2], DAYS[3])]
    assert counted == [1, 2]
    assert missing(ORDERS, settings, instance) == []

    assert run(definitions, instance, ORDERS, settings) == []
    assert len(_runs(instance)) == 3


def test_a_failing_run_says_why_and_the_good_stretches_before_it_stay(
    project: Project, instance: dg.DagsterInstance, settings: Settings
) -> None:
    write_orders(project.root, DAYS)
    shutil.rmtree(project.root / "data" / "orders" / DAYS[3])
    wanted = Wanted(ORDERS.table, (DAYS[0], DAYS[1], DAYS[2], DAYS[3]))
    with pytest.raises(RunFailedError, match=r"snapshots/orders: SourceError: no file matches .*2025-01-08/part-\*"):
        materialize(project.definitions(), instance, wanted, [DAYS[0], DAYS[3]], lambda _: None)
    assert missing(wanted, settings, instance) == list(DAYS[1:])


def test_a_lake_that_was_deleted_is_filled_again_though_dagster_remembers(
    project: Project, instance: dg.DagsterInstance, settings: Settings
) -> None:
    write_orders(project.root, DAYS)
    definitions = project.definitions()
    run(definitions, instance, ORDERS, settings)
    shutil.rmtree(Path(settings.lake.root) / ORDERS.table)
    assert missing(ORDERS, settings, instance) == list(DAYS)
    assert run(definitions, instance, ORDERS, settings) == list(DAYS)
    assert missing(ORDERS, settings, instance) == []


def test_a_dagster_that_forgot_learns_again_what_the_lake_holds(
    project: Project, instance: dg.DagsterInstance, settings: Settings, tmp_path: Path
) -> None:
    write_orders(project.root, DAYS)
    definitions = project.definitions()
    run(definitions, instance, ORDERS, settings)
    (tmp_path / "other").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "other"), overrides={"telemetry": {"enabled": False}}) as fresh:
        assert missing(ORDERS, settings, fresh) == list(DAYS)
        assert run(definitions, fresh, ORDERS, settings) == list(DAYS)
        assert fresh.get_materialized_partitions(asset_key(ORDERS.table)) == set(DAYS)


def test_a_table_without_partitions_is_missing_until_it_was_made(
    project: Project, instance: dg.DagsterInstance, settings: Settings
) -> None:
    (project.root / "channels.csv").write_text("channel\nweb\n")
    source = {"files": "channels.csv"}
    project.declare(
        "channels", [{"type": "batch_platform.InputSnapshot", "attributes": {"name": "channels", "source": source}}]
    )
    wanted = Wanted("snapshots/channels", ("",))
    definitions = project.definitions()
    assert run(definitions, instance, wanted, settings) == [""]
    assert run(definitions, instance, wanted, settings) == []


def test_an_unexpected_error_is_told_in_one_line_too(instance: dg.DagsterInstance) -> None:
    @dg.asset(key=["snapshots", "orders"], partitions_def=dg.DailyPartitionsDefinition(DAYS[0]))
    def orders() -> None:
        raise ZeroDivisionError("division by zero")

    with pytest.raises(RunFailedError, match="ZeroDivisionError: division by zero") as caught:
        materialize(dg.Definitions(assets=[orders]), instance, ORDERS, [DAYS[0]], lambda _: None)
    assert "\n" not in str(caught.value)


@given(st.integers(0, 60), st.data(), st.integers(1, 7))
def test_stretches_hold_every_key_once_without_holes_and_within_the_limit(
    length: int, data: st.DataObject, chunk: int
) -> None:
    order = [f"{number:03}" for number in range(length)]
    keys = [key for key in order if data.draw(st.booleans())]
    stretches = catch_up._stretches(order, keys, chunk)
    assert [key for stretch in stretches for key in stretch] == keys
    for stretch in stretches:
        assert 1 <= len(stretch) <= chunk
        first = order.index(stretch[0])
        assert order[first : first + len(stretch)] == stretch
    for left, right in pairwise(stretches):
        assert len(left) == chunk or order.index(right[0]) > order.index(left[-1]) + 1
