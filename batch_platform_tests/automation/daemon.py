"""Dagster's backfill daemon on demand, over a temporary project: its runs are carried out in this process, at once.

Belongs here: the daemon's looks, and asking it for a backfill as the UI does. Does not belong here: what is expected.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.storage.tags import BACKFILL_ID_TAG
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster_graphql.test.utils import execute_dagster_graphql

from batch_platform_tests.pipelines.project import Project

_LOCATION = """
from pathlib import Path
import dagster as dg
pipelines = dg.ComponentTree.for_project(Path(__file__).parent).build_defs()
defs = dg.Definitions.merge(pipelines, dg.Definitions(executor=dg.in_process_executor))
"""
_LAUNCH = """
mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
AT_ONCE = {
    "telemetry": {"enabled": False},
    "run_launcher": {
        "module": "dagster._core.launcher.sync_in_memory_run_launcher",
        "class": "SyncInMemoryRunLauncher",
    },
    "run_coordinator": {
        "module": "dagster._core.run_coordinator.default_run_coordinator",
        "class": "DefaultRunCoordinator",
    },
}
"""What an instance must be told so that a launched run is over when it has been launched."""


@dataclass(frozen=True)
class Daemon:
    """The daemon of one deployment."""

    instance: dg.DagsterInstance
    context: WorkspaceProcessContext

    def look(self) -> None:
        """One look at all backfills."""
        errors = [error for error in execute_backfill_iteration(self.context, logging.getLogger("silent")) if error]
        assert not errors, errors

    def carry_out(self, backfill_id: str, most: int = 12) -> str:
        """Look until a backfill is over; its status."""
        for _ in range(most):
            self.look()
            backfill = self.instance.get_backfill(backfill_id)
            assert backfill is not None
            if backfill.status.value != "REQUESTED" and backfill.status.value != "CANCELING":
                return str(backfill.status.value)
        raise AssertionError(f"backfill {backfill_id} is not over after {most} looks")

    def launch(self, tables: Sequence[str], partitions: Sequence[str]) -> str:
        """Ask for a backfill as the UI does; its id."""
        params = {
            "assetSelection": [{"path": table.split("/")} for table in tables],
            "partitionNames": list(partitions),
        }
        answer: Any = execute_dagster_graphql(self.context.create_request_context(), _LAUNCH, {"params": params})
        assert not answer.errors, answer.errors
        return str(answer.data["launchPartitionBackfill"]["backfillId"])

    def runs(self, backfill_id: str) -> list[tuple[tuple[str, ...], str, str]]:
        """The runs of a backfill in the order in which they were launched: tables, first and last partition."""
        found = self.instance.get_runs(dg.RunsFilter(tags={BACKFILL_ID_TAG: backfill_id}), ascending=True)
        return [
            (
                tuple(sorted("/".join(key.path) for key in run.asset_selection or ())),
                run.tags.get("dagster/asset_partition_range_start") or run.tags.get("dagster/partition", ""),
                run.tags.get("dagster/asset_partition_range_end") or run.tags.get("dagster/partition", ""),
            )
            for run in found
        ]


@contextmanager
def daemon(project: Project, instance: dg.DagsterInstance) -> Iterator[Daemon]:
    """The daemon of a project whose instance is made with `AT_ONCE`."""
    location = project.root / "at_once.py"
    location.write_text(_LOCATION)
    origin = InProcessCodeLocationOrigin(
        LoadableTargetOrigin(executable_path=sys.executable, python_file=str(location), attribute="defs"),
        location_name=project.root.name,
    )
    logging.getLogger("silent").setLevel(logging.CRITICAL)
    with (
        project.tree(),
        WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget([origin])) as workspace,
    ):
        yield Daemon(instance, workspace)
