"""The sensor `scheduling`: what Dagster is asked for, what it is told, what is remembered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from batch_platform.automation import clock
from batch_platform.automation.observing import Observer
from batch_platform.automation.reporting import asset_key
from batch_platform.automation.scheduling import request, scheduling_sensor
from batch_platform.lake.table import Table
from batch_platform.schedules.memory import from_text
from batch_platform.schedules.owed import Reason
from batch_platform.schedules.runs import PlannedRun, Priority
from batch_platform.schedules.scheduled import Scheduled
from batch_platform.settings import Settings
from batch_platform_tests.lake.writers import commit_rows
from batch_platform_tests.schedules.tables import NOW, READER, SOURCE, reader, source
from batch_platform_tests.schedules.test_books import rows

OWNED = {"owners": ("ops@example.com", "team:shop", "team:other"), "pipeline": "shop"}


@pytest.fixture
def asked(settings: Settings, instance: dg.DagsterInstance) -> Callable[..., dg.SensorResult | dg.SkipReason]:
    """One look of the sensor at these tables, at noon of the 10th or some time later."""

    def look(
        tables: Sequence[Scheduled], cursor: str | None = None, later: timedelta = timedelta()
    ) -> dg.SensorResult | dg.SkipReason:
        observer = Observer.of(tables, [], settings, instance)
        sensor = scheduling_sensor(lambda _: observer)
        with clock.at(NOW + later):
            context = dg.build_sensor_context(instance=instance, cursor=cursor)
            found = sensor(context)
        assert isinstance(found, dg.SensorResult | dg.SkipReason)
        look.cursor = context.cursor if isinstance(found, dg.SkipReason) else found.cursor  # type: ignore[attr-defined]
        return found

    return look


def planned(*tables: str, keys: tuple[str, ...]) -> PlannedRun:
    return PlannedRun(tables, keys, Priority.CRITICAL, (Reason.MISSING, Reason.INPUTS), "identity")


def test_a_range_run_says_its_ends_its_reason_its_priority_and_whose_it_is() -> None:
    run = planned(SOURCE, READER, keys=("2025-03-03", "2025-03-04", "2025-03-05"))
    own, watching = dg.AssetCheckKey(asset_key(SOURCE), "produced"), dg.AssetCheckKey(asset_key("snapshots/other"), "x")
    made = request(
        run,
        {SOURCE: source(**OWNED), READER: reader(beside=("quarantine/orders",))},
        {SOURCE: [own], "snapshots/other": [watching]},
    )
    assert made.asset_check_keys == [own]
    assert made.run_key == "identity"
    assert made.partition_key is None
    assert made.asset_selection == [asset_key(name) for name in (SOURCE, READER, "quarantine/orders")]
    assert made.tags == {
        "batch_platform/reason": "missing, input changed",
        "batch_platform/scheduled": "true",
        "batch_platform/pipeline": "shop",
        "batch_platform/team": "shop",
        "dagster/priority": "20",
        "dagster/asset_partition_range_start": "2025-03-03",
        "dagster/asset_partition_range_end": "2025-03-05",
    }


def test_a_single_partition_is_asked_for_as_dagster_does() -> None:
    made = request(planned(SOURCE, keys=("2025-03-03",)), {SOURCE: source()}, {})
    assert made.partition_key == "2025-03-03"
    assert not any("range" in name for name in made.tags)
    assert "batch_platform/team" not in made.tags


def test_a_table_without_partitions_is_asked_for_as_a_whole() -> None:
    made = request(planned(SOURCE, keys=("",)), {SOURCE: source(calendar=None)}, {})
    assert made.partition_key is None
    assert not any("partition" in name for name in made.tags)


def test_what_is_missing_is_asked_for_and_remembered(asked: Callable[..., dg.SensorResult | dg.SkipReason]) -> None:
    found = asked([source()])
    assert isinstance(found, dg.SensorResult)
    assert [made.partition_key for made in found.run_requests or ()] == ["2025-03-09", None]
    memory = from_text(found.cursor)
    assert {key for _, key in memory.tried} == {f"2025-03-{day:02}" for day in range(3, 10)}
    assert memory.begun == NOW.timestamp()


def test_the_next_look_waits_for_the_pause_and_says_so(asked: Callable[..., dg.SensorResult | dg.SkipReason]) -> None:
    first = asked([source()])
    assert isinstance(first, dg.SensorResult)
    found = asked([source()], first.cursor, timedelta(seconds=10))
    assert isinstance(found, dg.SkipReason)
    assert "7 partitions wait: 7 because it failed and is tried again later" in str(found.skip_message)
    assert asked.cursor == first.cursor  # type: ignore[attr-defined]


def test_when_all_is_there_it_says_that(
    asked: Callable[..., dg.SensorResult | dg.SkipReason], settings: Settings
) -> None:
    commit_rows(Table(settings.lake, SOURCE), {f"2025-03-{day:02}": rows(day) for day in range(3, 10)})
    found = asked([source()])
    assert isinstance(found, dg.SkipReason)
    assert found.skip_message == "every table is as it should be"


def test_a_lake_that_cannot_be_read_is_told_and_forgets_nothing(
    asked: Callable[..., dg.SensorResult | dg.SkipReason], settings: Settings
) -> None:
    first = asked([source()])
    assert isinstance(first, dg.SensorResult)
    commit_rows(Table(settings.lake, SOURCE), {"2025-03-09": rows(1)})
    for entry in (Path(settings.lake.uri(SOURCE)) / "_delta_log").glob("*.json"):
        entry.write_text("{")
    found = asked([source()], first.cursor, timedelta(hours=1))
    assert isinstance(found, dg.SkipReason)
    assert str(found.skip_message).startswith("LakeError: ") and SOURCE in str(found.skip_message)
    assert asked.cursor == first.cursor  # type: ignore[attr-defined]


def test_a_cursor_of_another_kind_is_as_good_as_none(
    asked: Callable[..., dg.SensorResult | dg.SkipReason],
) -> None:
    found = asked([source()], "2025-03-01T00:00:00")
    assert isinstance(found, dg.SensorResult) and len(found.run_requests or ()) == 2
