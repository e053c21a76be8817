"""The same days with the real components, lake, registry, sensors and runs: they make what the simulation says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from batch_platform.automation import clock
from batch_platform.automation.arrivals import arrivals_sensor, watched_of
from batch_platform.automation.observing import Observer
from batch_platform.automation.schedule import schedule_of
from batch_platform.automation.scheduling import scheduling_sensor
from batch_platform.schedules.scheduled import Scheduled
from batch_platform.settings import Settings
from batch_platform_tests.pipelines.fixtures import instance, project, settings
from batch_platform_tests.pipelines.project import Project, write_orders
from batch_platform_tests.simulation.days import days_from
from batch_platform_tests.simulation.history import Place
from batch_platform_tests.simulation.stages import File
from batch_platform_tests.simulation.world import World

__all__ = ["instance", "project", "settings"]

BERLIN = ZoneInfo("Europe/Berlin")
ORDERS, OUTCOMES = "snapshots/orders", "snapshots/repeat_orders"
FEATURES, SCORES, MODEL = "features/order_features", "predictions/repeat_purchase", "models/repeat_purchase"
BEFORE = days_from("2025-01-05", 18)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@dataclass
class Twin:
    """The daemon's part, played by a test: ticks of the real sensors, runs in this process."""

    definitions: dg.Definitions
    instance: dg.DagsterInstance
    cursors: dict[str, str | None] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    made: Counter[Place] = field(default_factory=Counter)

    def until_quiet(self, now: datetime) -> None:
        """Look every 10 seconds until nothing starts any more."""
        quiet = 0
        for step in range(60):
            with clock.at(now + timedelta(seconds=10 * step)):
                self._tick("arrivals")
                quiet = 0 if self._tick("scheduling") else quiet + 1
            if quiet == 4:
                return
        raise AssertionError("it does not come to rest")

    def _tick(self, name: str) -> bool:
        sensor = self.definitions.resolve_sensor_def(name)
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursors.get(name), definitions=self.definitions
        )
        found = sensor.evaluate_tick(context)
        self.cursors[name] = found.cursor
        new = [request for request in found.run_requests or [] if request.run_key not in self.keys]
        for request in new:
            self.keys.add(str(request.run_key))
            self._run(request)
        return bool(new)

    def _run(self, request: dg.RunRequest) -> None:
        job = self.definitions.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            instance=self.instance,
            asset_selection=list(request.asset_selection or []),
            tags=dict(request.tags),
            partition_key=request.partition_key,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
        for event in result.all_events:
            if event.is_step_materialization and event.partition is not None:
                self.made["/".join(event.asset_key.path) if event.asset_key else "", event.partition] += 1


def deployed(tree: dg.ComponentTree, instance: dg.DagsterInstance, settings: Settings) -> dg.Definitions:
    """The project with the two sensors that make things run."""
    pipelines = tree.build_defs()
    graph = pipelines.resolve_asset_graph()
    checks = [graph.get_check_spec(key) for key in sorted(graph.asset_check_keys)]
    observer = Observer.of(schedule_of(tree), checks, settings, instance)
    looking = [arrivals_sensor(lambda: watched_of(tree)), scheduling_sensor(lambda _: observer)]
    return dg.Definitions.merge(pipelines, dg.Definitions(sensors=looking, executor=dg.in_process_executor))


def correct(project: Project, day: str) -> None:
    path = project.root / "data" / "orders" / day / "part-0.csv"
    path.write_text(path.read_text().replace(".50,", ".75,", 3))


def simulated(tables: list[Scheduled]) -> World:
    """The same days in the simulation."""
    world = World({table.table: table for table in tables}, moment("2025-01-23 09:00"))
    for name in (ORDERS, OUTCOMES):
        for day in BEFORE:
            world.files[name][day] = File(f"{name} of {day}")
    world.at("2025-01-23 12:00", lambda: world.put(ORDERS, "2025-01-20", File("corrected")))
    world.at("2025-01-24 05:00", lambda: world.put(ORDERS, "2025-01-23", File("the 23rd")))
    world.until("2025-01-24 09:00")
    return world


@pytest.mark.slow
def test_the_real_components_make_what_the_simulation_says(
    project: Project, instance: dg.DagsterInstance, settings: Settings
) -> None:
    write_orders(project.root, BEFORE)
    with project.tree() as tree:
        twin = Twin(deployed(tree, instance, settings), instance)
        expected = simulated(list(schedule_of(tree)))
        twin.until_quiet(moment("2025-01-23 09:00"))
        correct(project, "2025-01-20")
        twin.until_quiet(moment("2025-01-23 12:00"))
        write_orders(project.root, ["2025-01-23"])
        for now in ("2025-01-24 05:00", "2025-01-24 06:00", "2025-01-24 08:00"):
            twin.until_quiet(moment(now))

    for table in (ORDERS, OUTCOMES, FEATURES, MODEL, SCORES):
        assert {key: count for (name, key), count in twin.made.items() if name == table} == expected.made(table), table
    assert twin.made[SCORES, "2025-01-20"] == 2 and twin.made[SCORES, "2025-01-23"] == 1
