"""What Airflow takes to backfill days of tasks that do nothing, measured in an environment of its own.

Belongs here: a folder for Airflow, its processes, and their processor time. Does not belong here: the comparison
(`batch_platform_tests.benchmarks.backfill`). Airflow never enters the project's own environment: it pins versions that
contradict the project's, so it is installed beside,

    python -m venv VENV && VENV/bin/pip install apache-airflow==3.3.2

and started through `VENV/bin/airflow`. SQLite, the LocalExecutor with as many workers as there are cores, one API
server with one worker, no examples; everything else is as it comes.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from batch_platform_tests.pipelines.deployed import free_port

SETTLING_SECONDS, IDLE_SECONDS, DAY_SECONDS = 40, 20, 120
_DAG = """\
from datetime import datetime
from airflow.sdk import dag, task
@dag(dag_id="chain", schedule="@daily", start_date=datetime.fromisoformat("{first}"), catchup=False,
     end_date=datetime.fromisoformat("{last}"), max_active_runs=16)
def chain():
    def nothing():
        pass
    before = None
    for number in range({tasks}):
        step = task(task_id=f"table_{{number}}")(nothing)()
        if before is not None:
            before >> step
        before = step
chain()
"""
_ENDED = "select count(*) from dag_run where run_type = 'backfill' and state in ('success', 'failed')"
_SUCCEEDED = "select count(*) from task_instance where state = 'success'"
_PARTS = (("api-server", "--workers", "1"), ("scheduler",), ("dag-processor",))


@dataclass(frozen=True)
class Taken:
    """What a backfill took.

    Args:
        days: how many runs of the DAG succeeded.
        tasks: how many tasks succeeded.
        wall: seconds of `airflow backfill create`, and from letting its runs begin to the end of the last.
        cpu: processor seconds in that time, of Airflow's processes and the command; without their start.
        idle: processor seconds a minute of the same processes before, with nothing to do.
    """

    days: int
    tasks: int
    wall: float
    cpu: float
    idle: float


def backfill(venv: Path, folder: Path, days: Sequence[str], tasks: int) -> Taken:
    """Backfill consecutive days of a chain of tasks that do nothing.

    Raises:
        SystemExit: Airflow does not start, or a run fails or does not end in time; with the end of its logs.
    """
    program, environment = str(venv / "bin" / "airflow"), _environment(venv, folder)
    (folder / "dags").mkdir(parents=True)
    (folder / "dags" / "chain.py").write_text(_DAG.format(tasks=tasks, first=days[0], last=days[-1]))
    for command in (("db", "migrate"), ("dags", "reserialize")):
        _called([program, *command], environment, folder)
    # Requested while nothing else writes: SQLite refuses long transactions of two writers.
    began, before = time.perf_counter(), _children()
    stretch = ["--from-date", days[0], "--to-date", days[-1], "--max-active-runs", "16"]
    _called([program, "backfill", "create", "--dag-id", "chain", *stretch], environment, folder)
    asked_wall, asked_cpu = time.perf_counter() - began, _children() - before
    with _running(program, environment, folder) as processes:
        time.sleep(SETTLING_SECONDS)
        quiet = used(processes)
        time.sleep(IDLE_SECONDS)
        idle = (used(processes) - quiet) * 60 / IDLE_SECONDS
        began, before = time.perf_counter(), used(processes)
        _called([program, "dags", "unpause", "--yes", "chain"], environment, folder)
        _wait(len(days) * DAY_SECONDS, folder, processes, lambda: _count(folder, _ENDED) >= len(days))
        wall, cpu = time.perf_counter() - began + asked_wall, used(processes) - before + asked_cpu
    made = _count(folder, _SUCCEEDED)
    if made != len(days) * tasks:
        raise SystemExit(f"Airflow: {made} of {len(days) * tasks} tasks succeeded{_logs(folder)}")
    return Taken(len(days), made, wall, cpu, idle)


def used(processes: Sequence[subprocess.Popen[bytes]]) -> float:
    """Processor seconds so far of processes and all their descendants, also of those that ended."""
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    ticks = os.sysconf("SC_CLK_TCK")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                told = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                parents[int(entry.name)] = int(told[1])
                # The process itself, and its children that ended and were waited for.
                seconds[int(entry.name)] = sum(map(int, told[11:15])) / ticks
    family = {process.pid for process in processes}
    while grown := {child for child, parent in parents.items() if parent in family} - family:
        family |= grown
    return sum(seconds.get(one, 0.0) for one in family)


def _environment(venv: Path, folder: Path) -> dict[str, str]:
    port = free_port()
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("AIRFLOW", "PYTHON", "BATCH_PLATFORM_", "DAGSTER_"))
    }
    return kept | {
        "PATH": f"{venv / 'bin'}:{os.environ['PATH']}",
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(len(os.sched_getaffinity(0))),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}?timeout=60",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "OMP_NUM_THREADS": "1",
    }


@contextmanager
def _running(program: str, environment: dict[str, str], folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    try:
        for part, *options in _PARTS:
            with (folder / f"{part}.log").open("wb") as log:
                started.append(
                    subprocess.Popen(
                        [program, part, *options],
                        env=environment,
                        cwd=folder,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
        yield started
    finally:
        for ending in (signal.SIGTERM, signal.SIGKILL):
            for process in started:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, ending)
            for process in started:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(20)


def _called(command: Sequence[str], environment: dict[str, str], folder: Path) -> None:
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stdout[-1000:]}{done.stderr[-2000:]}")


def _wait(
    seconds: float, folder: Path, processes: Sequence[subprocess.Popen[bytes]], ready: Callable[[], bool]
) -> None:
    until = time.monotonic() + seconds
    while not ready():
        if any(process.poll() is not None for process in processes) or time.monotonic() > until:
            raise SystemExit(f"Airflow: a process ended, or it took more than {seconds} s{_logs(folder)}")
        time.sleep(1)


def _count(folder: Path, query: str) -> int:
    address = f"file:{folder / 'airflow.db'}?mode=ro"
    # Airflow holds the lock while it writes: then there is no answer yet.
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(address, uri=True)) as asked:
        return int(asked.execute(query).fetchone()[0])
    return -1


def _children() -> float:
    taken = os.times()
    return taken.children_user + taken.children_system


def _logs(folder: Path) -> str:
    return "".join(f"\n{path.name}: {path.read_text(errors='replace')[-1500:]}" for path in folder.glob("*.log"))
