"""A pool without slots keeps runs in Dagster's queue; what Dagster keeps to itself behaves as it is used here."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from batch_platform.automation.pools import limits, pools_of, set_limits
from batch_platform_tests.automation.queued import POOLS, Queue, queue

_DAGSTER_YAML = """
telemetry: {enabled: false}
concurrency:
  pools: {granularity: run}
"""


@pytest.fixture
def instance(tmp_path: Path) -> dg.DagsterInstance:
    """An instance on a disk, whose pools are limited by run."""
    (tmp_path / "dagster.yaml").write_text(
        _DAGSTER_YAML.replace("granularity: run", "granularity: run, default_limit: 3")
    )
    return dg.DagsterInstance.from_config(str(tmp_path))


def test_limits_are_read_as_they_were_set_and_taken_back(instance: dg.DagsterInstance) -> None:
    assert limits(instance) == {}
    set_limits(instance, {"features": 0, "models": 5})
    assert limits(instance) == {"features": 0, "models": 5}
    set_limits(instance, {"features": None, "models": 2})
    assert limits(instance) == {"models": 2}


def test_a_pool_that_has_the_default_is_told_as_such(instance: dg.DagsterInstance) -> None:
    instance.event_log_storage.initialize_concurrency_limit_to_default("features")
    assert limits(instance) == {"features": None}


def test_the_pools_are_those_of_the_steps() -> None:
    @dg.asset(pool="snapshots")
    def orders() -> None: ...

    @dg.asset(pool="features")
    def totals() -> None: ...

    @dg.asset
    def free() -> None: ...

    assert pools_of(dg.Definitions([orders, totals, free, dg.AssetSpec("outside")])) == {"snapshots", "features"}


@pytest.mark.slow
def test_a_run_waits_until_every_pool_of_its_steps_has_a_slot_and_starts_then(tmp_path: Path) -> None:
    with queue(tmp_path, _DAGSTER_YAML) as deployment:
        both = deployment.launch(("snapshots/orders", "features/orders"), "2024-01-02")
        one = deployment.launch(("snapshots/orders",), "2024-01-03")
        assert deployment.next_out() == [both, one]
        set_limits(deployment.instance, {"features": 0})
        assert deployment.next_out() == [one]
        set_limits(deployment.instance, dict.fromkeys(POOLS, 0))
        deployment.look()
        assert _statuses(deployment, both, one) == {dg.DagsterRunStatus.QUEUED}
        set_limits(deployment.instance, dict.fromkeys(POOLS, None))
        deployment.look()
        assert {deployment.finished(run) for run in (both, one)} == {dg.DagsterRunStatus.SUCCESS}


def _statuses(deployment: Queue, *runs: str) -> set[dg.DagsterRunStatus]:
    return {deployment.status(run) for run in runs}
