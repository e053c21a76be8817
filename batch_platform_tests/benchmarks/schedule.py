"""How long many pipelines take to load, and a look of the sensor `scheduling` over years of their partitions.

    python -m batch_platform_tests.benchmarks.schedule [PIPELINES] [DAYS]

A project of PIPELINES (200) pipelines of five tables each (two snapshots, features over three days, a monthly model,
predictions; deadlines on the last two), and a lake and a registry in which DAYS (1095) days of their daily partitions
and all months of their models exist. In processes of their own: the definitions are loaded; then the sensor looks for
the first time, three times more while nothing has changed, and on the morning after, when all newest partitions are
missing. Beside it, in the same run, Dagster's `AutomationCondition.eager()` over as many assets, which hold nothing.

Set SCHEDULE_PROJECT to a folder to keep what was prepared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from batch_platform.settings import ARTIFACTS, LAKE, PROJECT, REGISTRY
from batch_platform_tests.benchmarks.schedule_parts.estate import days_back, fill, write_project

ASKED = {"load": 10.0, "look": 10.0}

_TAKEN = """\
import contextlib, json, logging, os, resource, sys, time, warnings
warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
@contextlib.contextmanager
def taken(name):
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    print(json.dumps([name, time.perf_counter() - wall, time.process_time() - cpu]), flush=True)
"""
_OURS = """\
from datetime import timedelta
from pathlib import Path
with taken("import"):
    import dagster as dg
    from batch_platform.definitions import location_of
    import batch_platform.features.component, batch_platform.snapshots.component
    import batch_platform.models.component, batch_platform.predictions.component
root = Path(sys.argv[1])
sys.path.insert(0, str(root))
with taken("load"):
    definitions = location_of(root)
    definitions.get_repository_def().asset_graph
from batch_platform.automation import clock
with dg.DagsterInstance.ephemeral() as instance:
    cursor = None
    def look(name):
        global cursor
        sensor = definitions.get_repository_def().get_sensor_def("scheduling")
        with taken(name):
            context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=definitions)
            tick = sensor.evaluate_tick(context)
        cursor = tick.cursor
        told = tick.skip_message or f"{len(tick.run_requests)} runs"
        print(json.dumps([f"{name}: {told[:200]}", 0, 0]), flush=True)
    now = clock.now()
    with clock.at(now):
        look("first look")
        for _ in range(3):
            look("nothing changed")
    with clock.at(now + timedelta(days=1)):
        look("the morning after")
    print(json.dumps(["peak MiB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 0]))
"""
_EAGER = """\
import dagster as dg
pipelines, start = int(sys.argv[1]), sys.argv[2]
days = dg.DailyPartitionsDefinition(start)
def asset(name, deps=()):
    @dg.asset(name=name, deps=deps, partitions_def=days, automation_condition=dg.AutomationCondition.eager())
    def made(): ...
    return made
with taken("load"):
    assets = []
    for n in range(pipelines):
        names = [f"visits_{n}", f"purchases_{n}", f"features_{n}", f"model_{n}", f"predictions_{n}"]
        deps = [(), (), names[:1], names[1:3], names[2:4]]
        assets += [asset(name, read) for name, read in zip(names, deps)]
    definitions = dg.Definitions(assets)
    definitions.get_repository_def().asset_graph
with dg.DagsterInstance.ephemeral() as instance:
    cursor = None
    for name in ("first look", "nothing changed", "nothing changed"):
        with taken(name):
            result = dg.evaluate_automation_conditions(definitions, instance, cursor=cursor)
        cursor = result.cursor
"""


def measured(program: str, *arguments: str, root: Path) -> list[tuple[str, float, float]]:
    """What a program says it took, in a process of its own: name, wall seconds, CPU-seconds."""
    environment = os.environ | {
        PROJECT: str(root),
        LAKE: str(root / "lake"),
        REGISTRY: f"sqlite:///{root / 'registry' / 'mlflow.db'}",
        ARTIFACTS: str(root / "artifacts"),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    done = subprocess.run(
        [sys.executable, "-c", _TAKEN + program, *arguments],
        env=environment, cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stdout[-1000:] + done.stderr[-3000:])
    return [tuple(json.loads(line)) for line in done.stdout.splitlines() if line.startswith("[")]


def main(pipelines: int = 200, days: int = 1095) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(os.environ.get("SCHEDULE_PROJECT") or Path(folder) / "estate")
        if not root.exists():
            began = time.perf_counter()
            count = fill(write_project(root, pipelines, days), pipelines, days_back(days, 1))
            print(f"{count} partitions written in {time.perf_counter() - began:.0f} s", flush=True)
        load = os.getloadavg()[0]
        ours = measured(_OURS, str(root), root=root)
        eager = measured(_EAGER, str(pipelines), days_back(days, 1)[0], root=root)
    print(f"{pipelines} pipelines, {days} days; load {load:.1f} at the start, {os.getloadavg()[0]:.1f} at the end")
    print(f"{'':34}{'wall s':>9}{'CPU-s':>9}{'asked':>9}")
    for name, wall, cpu in ours:
        if not cpu:
            print(f"    {name}{f' {wall:.0f}' if wall else ''}")
            continue
        asked = ASKED.get("load" if name == "load" else "look")
        print(f"{name:34}{wall:9.2f}{cpu:9.2f}{f'< {asked:.0f}' if name != 'import' else '':>9}")
    print("as many assets with AutomationCondition.eager(), which hold nothing:")
    for name, wall, cpu in eager:
        print(f"{name:34}{wall:9.2f}{cpu:9.2f}")
    ratio = [min(cpu for name, _, cpu in each if name == "nothing changed") for each in (ours, eager)]
    print(f"a look while nothing changed, CPU of eager / ours: {ratio[1] / ratio[0]:.1f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
