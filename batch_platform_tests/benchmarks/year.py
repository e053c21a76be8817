"""How long a backfill of a year takes, and what of it Dagster itself takes.

    python -m batch_platform_tests.benchmarks.year [DAYS]

In a temporary folder: one version of the model is trained, and registered for every month of the year, since training
is not measured here. Then one run materializes all daily assets of `flight_delay` for DAYS (365) days: three
snapshots, features and their quarantine, predictions and theirs. Beside it, in a process of its own, one run of as many
bare assets and checks for as many days, which report what Dagster by itself would: one materialization for each
partition and asset, one result for each check.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DAILY = ("flight_schedule", "weather_forecast", "flight_outcomes")
FIRST, TRAINED = "2025-09-02", datetime(2025, 9, 16, 20, tzinfo=UTC)
CHECKS = 14
"""Checks of the five steps together."""

_BARE = """\
import sys, time, warnings
warnings.simplefilter("ignore")
import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
days = dg.DailyPartitionsDefinition("2025-01-06")
def make(number, deps):
    name = f"asset_{number}"
    checks = [dg.AssetCheckSpec(f"check_{n}", asset=name, partitions_def=days) for n in range(2)]
    @dg.multi_asset(name=name, specs=[dg.AssetSpec(name, deps=deps, partitions_def=days)], check_specs=checks,
                    backfill_policy=dg.BackfillPolicy.single_run())
    def step(context):
        yield dg.MaterializeResult(asset_key=name, check_results=[
            dg.AssetCheckResult(passed=True, check_name=spec.name) for spec in checks])
    return step
assets = [make(number, [f"asset_{number - 1}"] if number else []) for number in range(7)]
job = dg.Definitions(assets=assets, executor=dg.in_process_executor).resolve_implicit_global_asset_job_def()
with dg.DagsterInstance.get() as instance:
    began = time.perf_counter(), time.process_time()
    tags = {ASSET_PARTITION_RANGE_START_TAG: sys.argv[1], ASSET_PARTITION_RANGE_END_TAG: sys.argv[2]}
    assert job.execute_in_process(instance=instance, tags=tags,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}).success
    print(time.perf_counter() - began[0], time.process_time() - began[1])
"""


@dataclass
class Stopwatch:
    """Seconds by what they were spent on; what runs inside another counts for itself alone."""

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    clock: Callable[[], float] = time.perf_counter
    _open: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def measuring(self, name: str) -> Iterator[None]:
        now = self.clock()
        if self._open:
            outer, since = self._open[-1]
            self.seconds[outer] = self.seconds.get(outer, 0.0) + now - since
        self._open.append((name, now))
        try:
            yield
        finally:
            now = self.clock()
            _, since = self._open.pop()
            self.seconds[name] = self.seconds.get(name, 0.0) + now - since
            self.calls[name] = self.calls.get(name, 0) + 1
            if self._open:
                self._open[-1] = (self._open[-1][0], now)

    def watch(self, owner: Any, function: str, name: str) -> None:
        """Let calls of a function count from now on; the benchmark's process ends before it would matter."""
        inner: Callable[..., Any] = getattr(owner, function)

        def measured(*args: Any, **kwargs: Any) -> Any:
            with self.measuring(name):
                return inner(*args, **kwargs)

        setattr(owner, function, measured)


def prepare(root: Path) -> None:
    """A project in an empty folder, with a model version for every month of the year."""
    checkout = Path(__file__).parents[2]
    (root / "dbt_like_sql").symlink_to(checkout / "dbt_like_sql")
    (root / "dagster.yaml").symlink_to(checkout / "dagster.yaml")
    for name in [name for name in os.environ if name.startswith(("BATCH_PLATFORM_", "DAGSTER_"))]:
        del os.environ[name]
    os.environ |= {"BATCH_PLATFORM_PROJECT": str(root), "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}


def train() -> None:
    """Make what one version is trained on, train it, and let it serve every month."""
    import dagster as dg

    from batch_platform.automation.catch_up import materialize, missing
    from batch_platform.automation.location import load_definitions
    from batch_platform.cli.demo import demonstrated
    from batch_platform.demo import plan_first_night
    from batch_platform.models.registry import Registry
    from batch_platform.settings import Settings

    settings = Settings.from_environment()
    definitions, tree = load_definitions()
    features, model, table = demonstrated(tree)
    night = plan_first_night(features, model, table, TRAINED)
    with dg.DagsterInstance.get() as instance:
        for step in night.steps[:-1]:
            materialize(definitions, instance, step, missing(step, settings, instance), lambda _: None)
    registry = Registry(settings)
    first = registry.as_of(model.name, table.decision(night.days[-1]))
    trained = registry.load(first)
    months = model.calendar
    example = _example(settings, features, night.days[0])
    for window in months.keys_between(first.window, months.latest(datetime.now(UTC))):
        start = months.start_of(window)
        registry.promote(
            registry.register(
                model.name, trained, example, window=window, window_start=start, metrics={}, parameters={}
            )
        )


def _example(settings: Any, features: Any, day: str) -> Any:
    from batch_platform.lake.table import Table

    rows = Table(settings.lake, features.model.table).read([day])
    return rows.select(list(features.contract.features)).slice(0, 5)


def backfill(days: int) -> tuple[Stopwatch, Mapping[str, float]]:
    """One run of all daily assets; the seconds by what they were spent on, and figures of the whole."""
    import dagster as dg
    from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
    from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

    from batch_platform.automation.location import load_definitions
    from batch_platform.automation.reporting import asset_key

    watch = Stopwatch()
    with watch.measuring("definitions"):
        definitions, _ = load_definitions()
        job = definitions.resolve_implicit_global_asset_job_def()
    _watch_stages(watch)
    for name in ("store_event", "store_event_batch"):
        watch.watch(SqliteEventLogStorage, name, "event storage")
    watch.watch(SqliteEventLogStorage, "get_event_records", "reading events")
    tables = [f"snapshots/{name}" for name in DAILY]
    tables += [f"{stage}/flight_{name}" for stage, name in (("features", "features"), ("quarantine", "features"))]
    tables += ["predictions/flight_delay", "quarantine/flight_delay"]
    keys = last_day(days)
    tags = {ASSET_PARTITION_RANGE_START_TAG: keys[0], ASSET_PARTITION_RANGE_END_TAG: keys[1]}
    with dg.DagsterInstance.get() as instance:
        began = time.perf_counter(), time.process_time()
        with watch.measuring("Dagster, the rest"):
            result = job.execute_in_process(
                instance=instance,
                asset_selection=[asset_key(table) for table in tables],
                tags=tags,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
        assert result.success
        wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
        for table in tables:
            assert len(instance.get_materialized_partitions(asset_key(table))) >= days, table
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return watch, {"wall": wall, "cpu": cpu, "peak": peak}


def last_day(days: int) -> tuple[str, str]:
    """The first and the last day of the year."""
    from datetime import date, timedelta

    first = date.fromisoformat(FIRST)
    return str(first), str(first + timedelta(days=days - 1))


def _watch_stages(watch: Stopwatch) -> None:
    import batch_platform.features.build as build
    import batch_platform.features.component as features
    import batch_platform.predictions.score as score
    import batch_platform.snapshots.component as snapshots
    from batch_platform.models.registry import Registry

    for owner, name, what in (
        (snapshots, "capture", "snapshots"),
        (features, "capture", "snapshots"),
        (build, "build", "features"),
        (score, "score", "predictions"),
        (Registry, "versions", "registry"),
        (Registry, "load", "registry"),
    ):
        if hasattr(owner, name):
            watch.watch(owner, name, what)


def main(days: int = 365) -> None:
    """Print the table."""
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(os.environ.get("YEAR_PROJECT") or folder)
        fresh = not (root / "dbt_like_sql").exists()
        if fresh:
            prepare(root)
        os.environ["BATCH_PLATFORM_PROJECT"] = str(root)

        from batch_platform.automation.home import prepare_home
        from batch_platform.settings import Settings

        prepare_home(Settings.from_environment())
        if fresh:
            began = time.perf_counter()
            train()
            print(f"prepared in {time.perf_counter() - began:.0f} s", flush=True)
        watch, whole = backfill(days)
        bare = Path(folder) / "bare"
        bare.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", _BARE, *last_day(days)],
            env=os.environ | {"DAGSTER_HOME": str(bare), "DAGSTER_DISABLE_TELEMETRY": "yes"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.stderr[-2000:])
        bare_wall, bare_cpu = map(float, done.stdout.split()[-2:])
    print(f"{days} days of 7 daily assets in one run: {whole['wall']:.1f} s, {whole['cpu']:.1f} CPU-s, ", end="")
    print(f"peak {whole['peak']:.0f} MiB")
    for name, seconds in sorted(watch.seconds.items(), key=lambda item: -item[1]):
        print(f"  {name:20} {seconds:7.2f} s  {watch.calls[name]:6} calls")
    print(f"as many bare assets and checks: {bare_wall:.1f} s, {bare_cpu:.1f} CPU-s")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
