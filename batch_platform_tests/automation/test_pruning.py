"""Old runs go, and what Dagster says of any partition stays the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from batch_platform.automation.pruning import prune

KEY = dg.AssetKey(["features", "orders"])
WHOLE = dg.AssetKey(["snapshots", "register"])
DAYS = dg.DailyPartitionsDefinition("2024-01-01")
KEYS = ("2024-01-02", "2024-01-03", "2024-01-04")
LATER = datetime.now(UTC) + timedelta(days=1)
EARLIER = LATER - timedelta(days=2)
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dg.asset(key=KEY, partitions_def=DAYS, check_specs=[dg.AssetCheckSpec("produced", asset=KEY)])
def orders(context):  # type: ignore[no-untyped-def]  # Dagster takes a result with checks for several outputs
    if context.run_tags.get("fails"):
        raise dg.Failure("it fails")
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


@dg.asset(key=WHOLE)
def register() -> None: ...


@pytest.fixture
def instance(tmp_path: Path) -> dg.DagsterInstance:
    """An instance on a disk without runs."""
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return dg.DagsterInstance.from_config(str(tmp_path))


def _run(instance: dg.DagsterInstance, key: str | None, *, fails: bool = False) -> str:
    asset, tags = (register, {}) if key is None else (orders, {"fails": "yes"} if fails else {})
    done = dg.materialize(
        [asset], partition_key=key, instance=instance, tags=tags, raise_on_error=False, run_config=_QUIET
    )
    return done.run_id


def _told(instance: dg.DagsterInstance) -> Any:
    """What Dagster says of each partition, of the table without any, and of their checks."""
    history = instance.event_log_storage.get_asset_check_execution_history(dg.AssetCheckKey(KEY, "produced"), limit=50)
    newest = [instance.get_latest_materialization_event(key) for key in (KEY, WHOLE)]
    return (
        instance.get_status_by_partition(KEY, list(KEYS), DAYS),
        instance.get_materialized_partitions(KEY),
        instance.event_log_storage.get_latest_asset_partition_materialization_attempts_without_materializations(KEY),
        [event and event.run_id for event in newest],
        [(record.partition, record.status) for record in history],
    )


def _left(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


def _history(instance: dg.DagsterInstance) -> tuple[list[str], list[str]]:
    """Runs that nothing rests on any more, and runs that something rests on."""
    first, earlier = _run(instance, KEYS[0]), _run(instance, None)
    second = _run(instance, KEYS[0])
    failed, repaired = _run(instance, KEYS[1], fails=True), _run(instance, KEYS[1])
    broken, worse = _run(instance, KEYS[2]), _run(instance, KEYS[2], fails=True)
    return [first, earlier, failed], [second, repaired, broken, worse, _run(instance, None)]


@pytest.mark.slow
def test_what_was_superseded_goes_and_no_partition_changes(instance: dg.DagsterInstance) -> None:
    superseded, newest = _history(instance)
    before, everything = _told(instance), _left(instance)
    assert prune(instance, EARLIER).gone == ()
    assert set(prune(instance, LATER, dry_run=True).gone) == set(superseded)
    assert _left(instance) == everything
    found = prune(instance, LATER)
    assert set(found.gone) == set(superseded)
    assert found.needed == len(newest)
    assert _left(instance) == set(newest)
    assert _told(instance) == before
    assert prune(instance, LATER).gone == ()


def test_deleting_the_newest_run_of_a_partition_would_lose_it(instance: dg.DagsterInstance) -> None:
    """Why runs are chosen: if this ever passes without them, all old runs may go."""
    run = _run(instance, KEYS[0])
    instance.delete_run(run)
    assert instance.get_materialized_partitions(KEY) == set()


def test_a_run_that_has_not_ended_stays(instance: dg.DagsterInstance) -> None:
    ended, going = (
        dg.DagsterRun("job", status=status) for status in (dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.STARTED)
    )
    for run in (ended, going):
        instance.run_storage.add_run(run)
    assert prune(instance, LATER).gone == (ended.run_id,)
    assert _left(instance) == {going.run_id}


def test_the_output_of_a_run_goes_with_it(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    runs: Sequence[str] = [_run(instance, KEYS[0]) for _ in range(2)]
    logs = [tmp_path / "storage" / run / "compute_logs" for run in runs]
    assert [folder.exists() for folder in logs] == [True, True]
    prune(instance, LATER)
    assert [folder.exists() for folder in logs] == [False, True]
