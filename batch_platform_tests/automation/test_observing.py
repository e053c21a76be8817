"""Facts as Dagster and the lake have them: what runs, what failed a blocking check, how long runs take."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test

from batch_platform.automation.observing import Observer, StillReadingError
from batch_platform.automation.reporting import asset_key
from batch_platform.automation.runless_checks import make_room
from batch_platform.errors import LakeError
from batch_platform.lake.table import Table
from batch_platform.partitions import Cadence, Calendar
from batch_platform.schedules.decision import decide
from batch_platform.schedules.facts import Made
from batch_platform.schedules.holds import Hold
from batch_platform.schedules.memory import Memory
from batch_platform.settings import Settings
from batch_platform_tests.lake.writers import commit_rows
from batch_platform_tests.schedules.tables import NOW, READER, SOURCE, reader, source, undated

TABLES = [source(), reader(), undated()]
ROWS = dg.AssetCheckSpec("rows", asset=asset_key(SOURCE), blocking=True)
ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("location"), "__repository__"), "__ASSET_JOB"
)
SIZE = dg.AssetCheckSpec("size", asset=asset_key(SOURCE), blocking=False)


@pytest.fixture
def observer(settings: Settings, instance: dg.DagsterInstance) -> Observer:
    return Observer.of(TABLES, [ROWS, SIZE], settings, instance)


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
    observer: Observer, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    run(instance, SOURCE, status, partition="2025-03-05")
    run(instance, READER, status, asset_partition_range_start="2025-03-07", asset_partition_range_end="2025-03-09")
    assert observer.running() == {SOURCE: {"2025-03-05"}, READER: {"2025-03-07", "2025-03-08", "2025-03-09"}}


def test_a_run_without_partitions_or_with_nonsense_for_them_is_taken_for_all_of_the_table(
    observer: Observer, instance: dg.DagsterInstance
) -> None:
    run(instance, SOURCE)
    run(instance, READER, partition="yesterday")
    run(instance, "snapshots/register")
    assert observer.running() == {SOURCE: {""}, READER: {""}, "snapshots/register": {""}}
    assert observer.observe(NOW).is_running(SOURCE, "2025-03-05")


@pytest.mark.parametrize(
    "status", [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
)
def test_what_has_ended_does_not_run(
    observer: Observer, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    run(instance, SOURCE, status, partition="2025-03-05")
    assert observer.running() == {}


def test_runs_of_other_assets_do_not_count(observer: Observer, instance: dg.DagsterInstance) -> None:
    run(instance, "somebody/else", partition="2025-03-05")
    assert observer.running() == {}


def report(instance: dg.DagsterInstance, name: str, partition: str, *, passed: bool) -> None:
    evaluation = dg.AssetCheckEvaluation(
        asset_key=asset_key(SOURCE), check_name=name, passed=passed, metadata={}, partition=partition
    )
    make_room(instance, [evaluation])
    instance.report_runless_asset_event(evaluation)


def test_a_partition_is_blocked_by_the_newest_result_of_a_blocking_check(
    observer: Observer, instance: dg.DagsterInstance
) -> None:
    report(instance, "rows", "2025-03-05", passed=False)
    report(instance, "rows", "2025-03-06", passed=False)
    report(instance, "rows", "2025-03-06", passed=True)
    report(instance, "rows", "2025-03-07", passed=True)
    report(instance, "size", "2025-03-07", passed=False)
    facts = observer.observe(NOW)
    days = ["2025-03-05", "2025-03-06", "2025-03-07"]
    assert [facts.blocked(SOURCE, day) for day in days] == ["rows", None, None]
    assert facts.blocked(READER, "2025-03-05") is None


def test_runs_that_succeeded_say_how_long_one_takes_at_worst(settings: Settings, instance: dg.DagsterInstance) -> None:
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
    found = Observer.of(TABLES, [], settings, instance).seconds()
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
    observer: Observer, instance: dg.DagsterInstance, tags: dict[str, str]
) -> None:
    @dg.asset(key=asset_key(SOURCE))
    def orders() -> None:
        pass

    job = dg.Definitions([orders]).resolve_implicit_global_asset_job_def()
    named = {f"dagster/{name}": text for name, text in tags.items()}
    job.execute_in_process(instance=instance, asset_selection=[orders.key], tags=named)
    assert observer.seconds() == {}
    job.execute_in_process(instance=instance, asset_selection=[orders.key], tags={"dagster/partition": "2025-03-09"})
    assert observer.seconds().keys() == {SOURCE}


def test_what_does_not_lie_in_the_lake_is_held_where_the_table_says(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    months = Calendar(Cadence.MONTHLY, "2025-01-01", ahead=1)
    model = source(table="models/m", calendar=months, source=False, held=lambda _: {"2025-03-01": Made("one")})
    facts = Observer.of([model], [], settings, instance).observe(NOW)
    assert facts.books.live("models/m") == {"2025-03-01"}


def test_versions_are_asked_for_once_in_each_look(settings: Settings, instance: dg.DagsterInstance) -> None:
    asked: list[Settings] = []
    table = reader(serving=lambda found: asked.append(found) or (lambda key: f"version of {key}"))  # type: ignore[func-returns-value]
    observer = Observer.of([table], [], settings, instance)
    for _ in range(2):
        facts = observer.observe(NOW)
        assert [facts.serving(READER, key) for key in ("a", "b")] == ["version of a", "version of b"]
        assert facts.serving(SOURCE, "a") is None
    assert len(asked) == 2


def test_a_process_that_has_just_begun_reads_the_tables_in_several_looks(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    impatient = replace(Observer.of(TABLES, [], settings, instance), patience=-1.0)
    with pytest.raises(StillReadingError, match=f"{len(TABLES)} of {len(TABLES)} tables were not read yet"):
        impatient.observe(NOW)
    patient = replace(impatient, patience=60.0)
    assert patient.observe(NOW).now == NOW
    # What was read is known to all looks of the process, however little time they have.
    assert impatient.observe(NOW).now == NOW


def test_a_table_that_cannot_be_read_stops_its_readers_alone(settings: Settings, instance: dg.DagsterInstance) -> None:
    tables = [*TABLES, source(table="snapshots/other")]
    commit_rows(Table(settings.lake, "snapshots/other"), {"2025-03-08": pa.table({"id": [1]})})
    log = Path(settings.lake.uri(SOURCE)) / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("no json")
    facts = Observer.of(tables, [], settings, instance).observe(NOW)
    assert set(facts.unreadable) == {SOURCE}
    decision = decide(tables, facts, Memory())
    assert {run.tables for run in decision.runs} == {("snapshots/other",), (undated().table,)}
    assert {held.hold for (table, _), held in decision.held.items() if table == SOURCE} == {Hold.UNREADABLE}
    assert {held.hold for (table, _), held in decision.held.items() if table == READER} == {Hold.INPUT_MISSING}


def test_a_lake_that_cannot_be_read_at_all_is_an_error(settings: Settings, instance: dg.DagsterInstance) -> None:
    log = Path(settings.lake.uri(SOURCE)) / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("no json")
    with pytest.raises(LakeError, match="none of its tables can be read"):
        Observer.of([source()], [], settings, instance).observe(NOW)
