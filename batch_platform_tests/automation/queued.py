"""A queue as a deployment has it: runs launched as the UI launches them, and the daemon that takes them out.

Belongs here: a small code location in a process of its own, an instance made from some `dagster.yaml`, and looks of
the daemon on demand. Does not belong here: what is expected of them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.load_target import PythonFileTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster_graphql.test.utils import execute_dagster_graphql

_LOCATION = """
import dagster as dg

days = dg.DailyPartitionsDefinition("2024-01-01")

@dg.asset(key=["snapshots", "orders"], partitions_def=days, pool="snapshots")
def snapshots(): ...

@dg.asset(key=["features", "orders"], deps=[snapshots], partitions_def=days, pool="features")
def features(): ...

defs = dg.Definitions([snapshots, features], executor=dg.in_process_executor)
"""
_LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
_BACKFILL = """
mutation Backfill($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
POOLS = ("features", "snapshots")


@dataclass
class Queue:
    """One deployment: its instance, its code location, its queue."""

    instance: dg.DagsterInstance
    context: Any
    daemon: QueuedRunCoordinatorDaemon

    def launch(self, tables: tuple[str, ...], key: str, tags: Mapping[str, str] = {}) -> str:
        """Launch one partition as the UI does; the run's id."""
        selector = {
            "repositoryLocationName": "orders",
            "repositoryName": "__repository__",
            "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": table.split("/")} for table in tables],
            "assetCheckSelection": [],
        }
        told = {"dagster/partition": key, **tags}
        params = {
            "selector": selector,
            "mode": "default",
            "executionMetadata": {"tags": [{"key": name, "value": value} for name, value in told.items()]},
        }
        answer = execute_dagster_graphql(self.context.create_request_context(), _LAUNCH, {"params": params})
        return str(answer.data["launchPipelineExecution"]["run"]["runId"])

    def backfill(self, table: str, keys: Sequence[str]) -> list[str]:
        """Launch a backfill as the UI does and have the daemon put its runs into the queue; their ids."""
        params = {"assetSelection": [{"path": table.split("/")}], "partitionNames": list(keys)}
        answer = execute_dagster_graphql(self.context.create_request_context(), _BACKFILL, {"params": params})
        launched = answer.data["launchPartitionBackfill"]["backfillId"]
        for _ in execute_backfill_iteration(self.context, logging.getLogger("backfill")):
            pass
        return [run.run_id for run in self.instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": launched}))]

    def enqueue(self, like: str, tags: Mapping[str, str]) -> str:
        """Put another run into the queue with the plan of one that is there: quicker than the UI's way."""
        run = self.instance.get_run_by_id(like)
        assert run is not None
        made = dg.DagsterRun(
            job_name=run.job_name,
            status=dg.DagsterRunStatus.QUEUED,
            tags={**tags},
            asset_selection=run.asset_selection,
            job_snapshot_id=run.job_snapshot_id,
            execution_plan_snapshot_id=run.execution_plan_snapshot_id,
            remote_job_origin=run.remote_job_origin,
            job_code_origin=run.job_code_origin,
            run_op_concurrency=run.run_op_concurrency,
        )
        self.instance.run_storage.add_run(made)
        return made.run_id

    def next_out(self) -> list[str]:
        """The runs that the daemon would start at its next look, in order; nothing is started."""
        config = self.instance.get_concurrency_config()
        return [run.run_id for run in self.daemon._get_runs_to_dequeue(self.instance, config, None)]

    def look(self) -> None:
        """One look of the daemon, which starts what may start."""
        for _ in self.daemon.run_iteration(self.context):
            pass

    def status(self, run_id: str) -> dg.DagsterRunStatus:
        """What Dagster says of a run now."""
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run.status

    def finished(self, run_id: str, seconds: float = 60) -> dg.DagsterRunStatus:
        """What Dagster says of a run when it is over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.instance.get_run_by_id(run_id).is_finished:  # type: ignore[union-attr]
            time.sleep(0.1)
        return self.status(run_id)


@contextmanager
def queue(folder: Path, dagster_yaml: str) -> Iterator[Queue]:
    """A deployment with this `dagster.yaml` in a folder of its own; it ends with the block."""
    home = folder / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(dagster_yaml)
    location = folder / "orders.py"
    location.write_text(_LOCATION)
    target = PythonFileTarget(str(location), "defs", str(folder), location_name="orders")
    with (
        dg.DagsterInstance.from_config(str(home)) as instance,
        create_test_daemon_workspace_context(target, instance) as context,
        QueuedRunCoordinatorDaemon(interval_seconds=1) as daemon,
    ):
        yield Queue(instance, context, daemon)
