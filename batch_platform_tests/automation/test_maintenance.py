"""Maintenance closes every pool, whoever launched the runs, and gives back exactly what was there before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.automation import clock
from batch_platform.automation.maintenance import LEAD, follow, maintenance_sensor
from batch_platform.automation.pools import limits, set_limits
from batch_platform.schedules.spans import parse_span
from batch_platform.schedules.windows import Named, Windows
from batch_platform_tests.automation.queued import POOLS, queue

_DAGSTER_YAML = """
telemetry: {enabled: false}
concurrency:
  pools: {granularity: run}
"""
NIGHT = (Named("storage", (parse_span("storage", begins="02:00", ends="04:00"),)),)
BEGIN, END = datetime(2026, 6, 5, 2, tzinfo=UTC), datetime(2026, 6, 5, 4, tzinfo=UTC)
LOOK = timedelta(seconds=15)
LIMITS = st.dictionaries(st.sampled_from([*POOLS, "models"]), st.none() | st.integers(0, 5))


class Sensor:
    """The sensor as the daemon calls it: what a look says, and the cursor that it leaves."""

    def __init__(self, instance: dg.DagsterInstance, windows: Windows) -> None:
        self.instance, self.cursor = instance, ""
        self.sensor = maintenance_sensor(windows, POOLS)

    def look(self, moment: datetime, *, dies: bool = False) -> str:
        """One look at a moment; a daemon that `dies` does not save the cursor."""
        with clock.at(moment):
            context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
            said = self.sensor(context)
        assert isinstance(said, dg.SkipReason) and said.skip_message is not None
        if not dies:
            self.cursor = context.cursor or ""
        return said.skip_message


@pytest.fixture
def instance(tmp_path: Path) -> dg.DagsterInstance:
    """An instance on a disk, whose pools are limited by run."""
    (tmp_path / "dagster.yaml").write_text(_DAGSTER_YAML)
    return dg.DagsterInstance.from_config(str(tmp_path))


def test_pools_are_closed_when_maintenance_begins_and_open_when_it_is_over(instance: dg.DagsterInstance) -> None:
    sensor = Sensor(instance, Windows(maintenance=NIGHT))
    set_limits(instance, {"features": 2})
    assert sensor.look(BEGIN - LEAD - LOOK) == "no maintenance"
    sensor.look(BEGIN - LEAD)
    sensor.look(BEGIN - LEAD + LOOK)
    assert limits(instance) == {"features": 0, "snapshots": 0}
    said = sensor.look(BEGIN)
    assert said == "maintenance 'storage' until 2026-06-05 04:00 UTC; closed pools: features, snapshots"
    sensor.look(END - LOOK)
    assert limits(instance) == {"features": 0, "snapshots": 0}
    sensor.look(END)
    assert limits(instance) == {"features": 2}
    assert sensor.look(END + LOOK) == "no maintenance"


def test_a_limit_that_somebody_raises_meanwhile_is_taken_back(instance: dg.DagsterInstance) -> None:
    sensor = Sensor(instance, Windows(maintenance=NIGHT))
    sensor.look(BEGIN)
    sensor.look(BEGIN + LOOK)
    set_limits(instance, {"features": 4})
    sensor.look(BEGIN + 2 * LOOK)
    assert limits(instance)["features"] == 0


def test_a_daemon_that_dies_at_any_look_loses_no_limit(instance: dg.DagsterInstance) -> None:
    for dying in range(7):
        set_limits(instance, {"features": 2, "snapshots": None})
        sensor = Sensor(instance, Windows(maintenance=NIGHT))
        for number, moment in enumerate([BEGIN, BEGIN + LOOK, BEGIN + 2 * LOOK, END, END + LOOK, END + 2 * LOOK]):
            sensor.look(moment, dies=number == dying)
            if number == 2:
                assert limits(instance) == {"features": 0, "snapshots": 0}
        assert limits(instance) == {"features": 2}, f"died at look {dying}"


def test_maintenance_that_is_taken_out_of_the_declaration_ends_at_once(instance: dg.DagsterInstance) -> None:
    sensor = Sensor(instance, Windows(maintenance=NIGHT))
    sensor.look(BEGIN)
    sensor.look(BEGIN + LOOK)
    sensor.sensor = maintenance_sensor(Windows(), POOLS)
    sensor.look(BEGIN + 2 * LOOK)
    assert limits(instance) == {}


def test_a_pool_that_somebody_closed_by_hand_stays_closed_and_is_told(instance: dg.DagsterInstance) -> None:
    set_limits(instance, {"features": 0})
    sensor = Sensor(instance, Windows(maintenance=NIGHT))
    for moment in (BEGIN, BEGIN + LOOK, END):
        sensor.look(moment)
    assert sensor.look(END + LOOK) == "no maintenance; somebody closed features: see Deployment, Concurrency"
    assert limits(instance) == {"features": 0}


@pytest.mark.parametrize("cursor", ["nonsense", "[]", '{"features": "many"}', ""])
def test_a_cursor_that_is_none_of_its_own_is_forgotten(instance: dg.DagsterInstance, cursor: str) -> None:
    sensor = Sensor(instance, Windows())
    sensor.cursor = cursor
    assert sensor.look(BEGIN) == "no maintenance"


@given(LIMITS, st.integers(0, 4), st.integers(0, 6))
def test_whatever_the_limits_were_they_come_back(before: dict[str, int | None], looks: int, dying: int) -> None:
    present, remembered = dict(before), dict[str, int | None]()
    for number in range(looks + 3):
        wanted, found = follow(POOLS, present, remembered, closed=number < looks)
        for pool, limit in wanted.items():
            present[pool] = limit
        remembered = remembered if number == dying and number != looks + 2 else dict(found)
        if 2 < number < looks:
            assert all(present[pool] == 0 for pool in POOLS)
    assert {pool: limit for pool, limit in present.items() if limit is not None} == {
        pool: limit for pool, limit in before.items() if limit is not None
    }


@pytest.mark.slow
def test_a_run_launched_in_the_ui_during_maintenance_starts_when_it_is_over(tmp_path: Path) -> None:
    with queue(tmp_path, _DAGSTER_YAML) as deployment:
        sensor = Sensor(deployment.instance, Windows(maintenance=NIGHT))
        for moment in (BEGIN - LEAD, BEGIN - LEAD + LOOK):
            sensor.look(moment)
        run = deployment.launch(("snapshots/orders", "features/orders"), "2024-01-02", {"dagster/priority": "100"})
        deployment.look()
        assert deployment.status(run) is dg.DagsterRunStatus.QUEUED
        sensor.look(END)
        deployment.look()
        assert deployment.finished(run) is dg.DagsterRunStatus.SUCCESS
