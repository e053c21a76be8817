"""Facts as Dagster and the lake have them: what is held, what failed a blocking check, what cannot be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from batch_platform.automation.observing import Observer, StillReadingError
from batch_platform.automation.reporting import asset_key
from batch_platform.automation.runless_checks import make_room
from batch_platform.errors import LakeError
from batch_platform.lake.table import Table
from batch_platform.partitions import Cadence, Calendar
from batch_platform.schedules.arrival_book import ArrivalBook, write_book
from batch_platform.schedules.decision import decide
from batch_platform.schedules.facts import Made
from batch_platform.schedules.holds import Hold
from batch_platform.schedules.memory import Memory
from batch_platform.settings import Settings
from batch_platform_tests.lake.writers import commit_rows
from batch_platform_tests.schedules.tables import NOW, READER, SOURCE, reader, source, undated

TABLES = [source(), reader(), undated()]
ROWS = dg.AssetCheckSpec("rows", asset=asset_key(SOURCE), blocking=True)
SIZE = dg.AssetCheckSpec("size", asset=asset_key(SOURCE), blocking=False)


@pytest.fixture
def observer(settings: Settings, instance: dg.DagsterInstance) -> Observer:
    return Observer.of(TABLES, [ROWS, SIZE], settings, instance)


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


def test_a_source_is_unwatched_until_somebody_has_looked_at_it(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    tables = [source(watched=True), source(table="snapshots/polled"), reader()]
    assert Observer.of(tables, [], settings, instance).observe(NOW).unwatched == {SOURCE}
    write_book(settings.lake, SOURCE, ArrivalBook())
    assert Observer.of(tables, [], settings, instance).observe(NOW).unwatched == set()
