"""Catching up runs what is missing, all of it and nothing else, in unbroken stretches."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.automation import catch_up
from batch_platform.automation.catch_up import (
    RunFailedError,
    Wanted,
    materialize,
    missing,
    refuse_missing,
)
from batch_platform.automation.location import load_definitions
from batch_platform.automation.reporting import asset_key
from batch_platform.errors import ConfigurationError
from batch_platform.lake.commit import replace_partitions
from batch_platform.lake.digest import combine
from batch_platform.lake.provenance import (
    InputRead,
    Ledger,
    ModelUsed,
    PartitionRecord,
    Provenance,
    SourceRead,
    Stage,
)
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.settings import PROJECT, Settings
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


def test_one_failed_day_among_good_ones_is_named_with_its_reason(
    project: Project, instance: dg.DagsterInstance, settings: Settings
) -> None:
    write_orders(project.root, DAYS)
    definitions = project.definitions()
    part = project.root / "data" / "orders" / DAYS[2] / "part-0.csv"
    good = part.read_text()
    part.write_text(good.replace(",1\n", ",one\n"))
    run(definitions, instance, ORDERS, settings)
    assert missing(ORDERS, settings, instance) == [DAYS[2]]
    with pytest.raises(RunFailedError, match=rf"snapshots/orders\[{DAYS[2]}\]: .*items_count.*one") as caught:
        refuse_missing(ORDERS, settings, instance)
    assert "\n" not in str(caught.value)

    part.write_text(good)
    assert run(definitions, instance, ORDERS, settings) == [DAYS[2]]
    refuse_missing(ORDERS, settings, instance)

    # What a run that succeeded left behind may still be gone.
    shutil.rmtree(Path(settings.lake.root) / ORDERS.table)
    with pytest.raises(RunFailedError, match=rf"orders\[{DAYS[0]}\]: .*although its run succeeded.*3 more"):
        refuse_missing(ORDERS, settings, instance)


def _commit(lake: Lake, table: str, days: Sequence[str], digest: str, inputs: Mapping[str, InputRead]) -> None:
    target, rows = Table(lake, table), pa.table({"text": [digest]})
    record = PartitionRecord(digest, Ledger(1, {"valid": 1}), inputs=inputs, sources=(SourceRead("a.csv", digest, 1),))
    stage = Stage(table.split("/")[0])
    if stage is Stage.PREDICTIONS:
        record = replace(record, model=ModelUsed("m", "1", "d"))
    provenance = Provenance(stage, "run", "local", 0.1, 0.0, dict.fromkeys(days, record), sql_digest="s")
    replace_partitions(target, rows.schema, {day: [target.write(day, rows)] for day in days}, provenance)


def test_what_was_made_from_earlier_content_of_its_inputs_is_missing(
    instance: dg.DagsterInstance, lake: Lake, settings: Settings
) -> None:
    """Features of two days of orders and the channels; predictions of the features of their own day."""
    settings = replace(settings, lake=lake)
    features = Wanted("features/orders", DAYS[1:3])
    predictions = Wanted("predictions/orders", DAYS[1:3])
    _commit(lake, ORDERS.table, DAYS, "o1", {})
    _commit(lake, "snapshots/channels", [""], "c1", {})
    channels = {"snapshots/channels": InputRead(0, combine(["c1"]))}
    for before, day in pairwise(DAYS[:3]):
        orders = {ORDERS.table: InputRead(0, combine(["o1", "o1"]), (before, day))}
        _commit(lake, features.table, [day], "f1", channels | orders)
        _commit(lake, predictions.table, [day], "p1", {features.table: InputRead(0, "f1", (day, day))})
        for wanted in (features, predictions):
            instance.report_runless_asset_event(dg.AssetMaterialization(asset_key(wanted.table), partition=day))
    assert missing(features, settings, instance) == missing(predictions, settings, instance) == []

    # A rewritten version with the same content is no reason to do anything, nor is a day that nobody read.
    _commit(lake, ORDERS.table, [DAYS[0], DAYS[3]], "o2", {})
    _commit(lake, ORDERS.table, [DAYS[0]], "o1", {})
    assert missing(features, settings, instance) == []

    _commit(lake, ORDERS.table, [DAYS[0]], "o3", {})
    assert missing(features, settings, instance) == [DAYS[1]]
    assert missing(predictions, settings, instance) == []
    _commit(lake, features.table, [DAYS[1]], "f2", channels)
    assert missing(predictions, settings, instance) == [DAYS[1]]
    assert missing(features, settings, instance) == []
    _commit(lake, "snapshots/channels", [""], "c2", {})
    assert missing(features, settings, instance) == list(DAYS[1:3])
    shutil.rmtree(Path(lake.root) / "features")
    assert missing(predictions, settings, instance) == list(DAYS[1:3])


def test_what_lies_elsewhere_is_missing_unless_its_own_store_holds_it(
    instance: dg.DagsterInstance, settings: Settings
) -> None:
    wanted = Wanted("models/orders", DAYS, in_lake=False, held=lambda asked: DAYS[1:] if asked is settings else ())
    for day in DAYS[:3]:
        instance.report_runless_asset_event(dg.AssetMaterialization(asset_key(wanted.table), partition=day))
    assert missing(wanted, settings, instance) == [DAYS[0], DAYS[3]]


CHANNELS = "type: batch_platform.InputSnapshot\nattributes:\n  name: channels\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CHANNELS + "  source: {files: channels.csv\n", "line 4"),
        ("type: batch_platform.InputSnapsho\n", "no attribute `InputSnapsho`"),
        (
            CHANNELS + "  sorce: {files: channels.csv}\n",
            "defs.yaml:4, field attributes.sorce: there is no such field [and 1 more]",
        ),
        (
            CHANNELS + "  source: {files: a.csv}\n  automation: {horizn: 7 days}\n",
            "defs.yaml:5, field attributes.automation.horizn: there is no such field (",
        ),
        (
            CHANNELS + "  source: {files: a.csv}\n  automation: {rerun_on: [input]}\n",
            "rerun_on.0: expected 'inputs', 'undated_inputs', 'code' or 'model', found 'input'",
        ),
        (
            CHANNELS + "  source: {files: a.csv}\n  slo: {due: 22:00}\n",
            "field attributes.slo.due: expected text in quotes, found 1320",
        ),
        (CHANNELS + "  source: {files: a.csv}\n  slo: {}\n", "field attributes.slo.due: a field is missing ("),
        (CHANNELS + "  source: {files: a.csv}\n  automation: no\n", "expected a mapping of fields, found False"),
        ("- a\n- b\n", "defs/shop/defs.yaml:1"),
        (CHANNELS + '  source: {files: "{day}.csv"}\n', "unknown placeholder {day}"),
        (
            CHANNELS + "  source: {files: a.csv}\n  partitions: {cadence: daily, start: '2025-13-05'}\n",
            "defs/shop/defs.yaml, InputSnapshot 'channels': start '2025-13-05' is not of the form",
        ),
    ],
    ids=[
        "no yaml",
        "no such type",
        "no such field",
        "no such field of a field",
        "a wrong choice",
        "a time without quotes",
        "a missing field",
        "no mapping",
        "a list",
        "a wrong field",
        "a wrong value",
    ],
)
def test_a_wrong_pipeline_is_one_line_without_dagsters_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    project = Project.create(tmp_path)
    monkeypatch.setenv(PROJECT, str(tmp_path))
    project.defs("shop").parent.mkdir()
    project.defs("shop").write_text(text)
    with project.tree() as tree:
        monkeypatch.setattr("batch_platform.definitions.defs", tree.build_defs)
        with pytest.raises(ConfigurationError) as caught:
            load_definitions()
    line = str(caught.value)
    assert said in line and "\n" not in line and "├" not in line and len(line) < 600
    assert caught.value.__suppress_context__ and caught.value.exit_code == 2


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
