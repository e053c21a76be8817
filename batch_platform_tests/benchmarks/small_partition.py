"""How long one small partition takes through `dagster asset materialize`, beside Dagster's own floor.

    python -m batch_platform_tests.benchmarks.small_partition [PASSES]

In a temporary folder the first night of `flight_delay` is run (some minutes). Then, PASSES (5) times in turn, the same
command materializes one day of `predictions/flight_delay` and of an empty asset in a module of its own: the medians of
wall and CPU-seconds, their differences, and a split of ours by what it is spent on, from one more pass that watches
itself. Set SMALL_PROJECT to a folder to keep what was prepared.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from batch_platform_tests.benchmarks.year import prepare

_BARE = """\
import dagster as dg
@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2025-01-06", end_offset=3))
def empty() -> None:
    pass
defs = dg.Definitions(assets=[empty], executor=dg.in_process_executor)
"""
_SPLIT = """\
import sys, time
began = time.process_time()
def told(name):
    global began
    now = time.process_time()
    print(f"SPLIT {name}: {now - began:.2f}")
    began = now
from dagster._cli import main
import dagster.components, dagster._core.execution.api
told("import Dagster")
import numpy, pyarrow.compute, pandas, polars, duckdb, sqlglot, deltalake, jinja2
told("import of libraries")
from batch_platform.definitions import defs
defs()
told("definitions")
from batch_platform.models.registry import Registry
from batch_platform.predictions import component, score
from batch_platform_tests.benchmarks.year import Stopwatch
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
watch = Stopwatch(clock=time.process_time)
for owner, function, name in ((Registry, "versions", "registry"), (Registry, "load", "registry"),
                              (score, "score", "scoring"), (SqliteEventLogStorage, "store_event", "event storage")):
    watch.watch(owner, function, name)
sys.argv = ["dagster", "asset", "materialize", *sys.argv[1:]]
try:
    with watch.measuring("the rest of Dagster"):
        main()
except SystemExit:
    pass
for name, seconds in watch.seconds.items():
    print(f"SPLIT {name}: {seconds:.2f}")
heavy = sorted({"torch", "mlflow", "sklearn", "matplotlib"} & {*sys.modules})
print(f"SPLIT heavy modules: {', '.join(heavy) or 'none'}")
"""


def run(command: list[str], environment: Mapping[str, str], folder: Path) -> tuple[float, float, str]:
    """Wall and CPU-seconds of a command, and what it printed."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env=dict(environment), cwd=folder, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stdout[-1000:] + done.stderr[-3000:])
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def main(passes: int = 5) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(os.environ.get("SMALL_PROJECT") or folder)
        prepared = (root / "local").exists()
        if not prepared:
            prepare(root)
        environment = os.environ | {
            "BATCH_PLATFORM_PROJECT": str(root),
            "DAGSTER_HOME": str(root / "local" / "dagster"),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), str(root)]),
        }
        if not prepared:
            run([sys.executable, "-m", "batch_platform.cli", "demo"], environment, root)
        (root / "bare.py").write_text(_BARE)
        from batch_platform.lake.store import Lake
        from batch_platform.lake.table import Table

        day = max(Table(Lake(str(root / "local" / "lake")), "predictions/flight_delay").partitions())
        tool = [str(Path(sys.executable).with_name("dagster")), "asset", "materialize"]
        ours = ["--select", "predictions/flight_delay", "--partition", day, "-m", "batch_platform.definitions"]
        bare = ["--select", "empty", "--partition", day, "-m", "bare"]
        taken: dict[str, list[tuple[float, float]]] = {"bare": [], "ours": []}
        for _ in range(passes):
            for name, arguments in (("bare", bare), ("ours", ours)):
                taken[name].append(run([*tool, *arguments], environment, root)[:2])
        *_, said = run([sys.executable, "-W", "ignore", "-c", _SPLIT, *ours], environment, root)
    wall, cpu = ({name: statistics.median(one[k] for one in each) for name, each in taken.items()} for k in (0, 1))
    print(f"{'':32}{'wall s':>10}{'CPU-s':>10}")
    print(f"{'an empty asset':32}{wall['bare']:10.2f}{cpu['bare']:10.2f}")
    print(f"{'one day of predictions':32}{wall['ours']:10.2f}{cpu['ours']:10.2f}")
    print(f"{'above the floor':32}{wall['ours'] - wall['bare']:10.2f}{cpu['ours'] - cpu['bare']:10.2f}")
    print("CPU-seconds of one day of predictions, by what they are spent on:")
    for line in said.splitlines():
        if line.startswith("SPLIT "):
            print("  " + line.removeprefix("SPLIT "))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
