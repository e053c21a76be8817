"""What a year's backfill costs beside Dagster's bare single run over as many assets and checks.

    python -m batch_platform_tests.benchmarks.backfill [DAYS] [--airflow VENV [--airflow-days N]]

In a temporary folder: DAYS (365) files of a small daily pipeline, one of which cannot be read. One run makes the
snapshot, the features over three days, the predictions and their quarantines of all days, with results for each day;
then the bad day is corrected and it and the two days after are redone alone. Beside it, each in a process of its own,
one run of as many bare assets and checks for as many days, with Dagster's settings as they come and with its own
batching of events. CPU-seconds are those of the whole process with its children, from the start of the run to its end.

With `--airflow`, Airflow beside: N (15) days of as many tasks a day as there are tables, which do nothing; see
`airflow_backfill`. What it takes grows with the tasks, so a year is taken to cost as many times more as it has days.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from batch_platform_tests.benchmarks import airflow_backfill
from batch_platform_tests.benchmarks.airflow_backfill import Taken
from batch_platform_tests.pipelines.deployed import Deployment, days_before, today

ASKED, ASKED_OF_AIRFLOW = 1.3, 0.1
AIRFLOW_DAYS = 15
TABLES = (
    "snapshots/visits",
    "features/visit_features",
    "quarantine/visit_features",
    "predictions/visits",
    "quarantine/visits",
)

_OURS = """\
import resource, sys, time, warnings, logging
warnings.simplefilter("ignore"); logging.disable(logging.INFO)
from pathlib import Path
import dagster as dg
from batch_platform.definitions import location_of
from batch_platform.automation.reporting import asset_key
from batch_platform_tests.pipelines.project import execute
first, last, *tables = sys.argv[1:]
sys.path.insert(0, str(Path.cwd()))
definitions = location_of(Path.cwd())
graph = definitions.resolve_asset_graph()
wanted = {asset_key(table) for table in tables}
print("checks", len([key for key in graph.asset_check_keys if key.asset_key in wanted]))
def used():
    each = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in each)
with dg.DagsterInstance.get() as instance:
    began = time.perf_counter(), used()
    assert execute(definitions, instance, tables, first, last).success
    print(time.perf_counter() - began[0], used() - began[1])
    print("made", *(len(instance.get_materialized_partitions(asset_key(table))) for table in tables))
"""
_BARE = """\
import sys, time, warnings, logging
warnings.simplefilter("ignore"); logging.disable(logging.INFO)
import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
first, last, count, checks = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
days = dg.DailyPartitionsDefinition(first, end_offset=2)
def make(number):
    name, own = f"asset_{number}", checks // count + (number < checks % count)
    specs = [dg.AssetCheckSpec(f"check_{n}", asset=name, partitions_def=days) for n in range(own)]
    @dg.multi_asset(name=name, specs=[dg.AssetSpec(name, deps=[f"asset_{number - 1}"] if number else [],
                    partitions_def=days)], check_specs=specs, backfill_policy=dg.BackfillPolicy.single_run())
    def step(context):
        yield dg.MaterializeResult(asset_key=name, check_results=[
            dg.AssetCheckResult(passed=True, check_name=spec.name) for spec in specs])
    return step
definitions = dg.Definitions(assets=[make(n) for n in range(count)], executor=dg.in_process_executor)
job = definitions.resolve_implicit_global_asset_job_def()
with dg.DagsterInstance.get() as instance:
    began = time.perf_counter(), time.process_time()
    tags = {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
    assert job.execute_in_process(instance=instance, tags=tags,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}).success
    print(time.perf_counter() - began[0], time.process_time() - began[1])
"""


def run(program: str, arguments: list[str], environment: dict[str, str], folder: Path) -> list[str]:
    """The lines that a program prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stdout[-1000:] + done.stderr[-3000:])
    return done.stdout.splitlines()


def of_airflow(venv: Path, days: int) -> Taken:
    """What Airflow takes for the newest days."""
    with tempfile.TemporaryDirectory() as scratch:
        return airflow_backfill.backfill(venv, Path(scratch) / "airflow", days_before(today(), days, 1), len(TABLES))


def main(days: int = 365, airflow: Path | None = None, airflow_days: int = AIRFLOW_DAYS) -> None:
    """Print the table and the ratios."""
    with tempfile.TemporaryDirectory() as scratch:
        made = Deployment.create(Path(scratch) / "project")
        keys = days_before(today(), days, 1)
        bad = keys[days // 2]
        # Features read three days: the first two of the range find nothing before it otherwise.
        made.write_visits([*days_before(today(), days + 2, days + 1), *keys])
        file = made.project.root / "data" / "visits" / f"{bad}.csv"
        file.write_text(file.read_text().replace(",0.1,", ",far,", 1))
        root, environment = made.project.root, made.environment
        run(_OURS, [*days_before(today(), days + 2, days + 1), TABLES[0]], environment, root)
        checks, year, held = run(_OURS, [keys[0], keys[-1], *TABLES], environment, root)
        made.write_visits([bad])
        *_, redone, healed = run(_OURS, [bad, keys[days // 2 + 2], *TABLES], environment, root)
        bare = {}
        for name, setting in (("as they come", {}), ("its batching of events", {"DAGSTER_EVENT_BATCH_SIZE": "500"})):
            home = Path(scratch) / f"bare{len(bare)}"
            home.mkdir()
            told = run(
                _BARE, [keys[0], keys[-1], str(len(TABLES)), checks.split()[-1]],
                environment | {"DAGSTER_HOME": str(home)} | setting, home,
            )  # fmt: skip
            bare[name] = tuple(map(float, told[-1].split()))
    print(
        f"{days} days of {len(TABLES)} tables with {checks.split()[-1]} checks, one bad day; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'':44}{'wall s':>9}{'CPU-s':>9}")
    (wall, cpu), (again_wall, again_cpu) = (tuple(map(float, line.split())) for line in (year, redone))
    print(f"{'one run, results per day':44}{wall:9.1f}{cpu:9.1f}   partitions {held}")
    print(f"{'the bad day and two after it, redone':44}{again_wall:9.1f}{again_cpu:9.1f}   partitions {healed}")
    for name, (bare_wall, bare_cpu) in bare.items():
        print(f"{f'bare assets and checks, {name}':44}{bare_wall:9.1f}{bare_cpu:9.1f}")
        print(f"    CPU, ours / bare: {(cpu + again_cpu) / bare_cpu:.2f} (asked: at most {ASKED})")

    if airflow is not None:
        taken = of_airflow(airflow, airflow_days)
        longer = days / taken.days
        named = f"Airflow, {taken.days} days of {len(TABLES)} tasks that do nothing"
        print(
            f"{named:44}{taken.wall:9.1f}{taken.cpu:9.1f}   tasks {taken.tasks}; idle {taken.idle:.1f} CPU-s a minute"
        )
        print(f"{f'    {days} days, in proportion':44}{taken.wall * longer:9.1f}{taken.cpu * longer:9.1f}")
        print(
            f"    CPU, ours / Airflow: {(cpu + again_cpu) / taken.cpu / longer:.3f} (asked: at most {ASKED_OF_AIRFLOW})"
        )


def _arguments() -> argparse.Namespace:
    read = argparse.ArgumentParser(prog="python -m batch_platform_tests.benchmarks.backfill")
    read.add_argument("days", nargs="?", type=int, default=365)
    read.add_argument("--airflow", type=Path, metavar="VENV")
    read.add_argument("--airflow-days", type=int, default=AIRFLOW_DAYS, metavar="N")
    return read.parse_args()


if __name__ == "__main__":
    main(**vars(_arguments()))
