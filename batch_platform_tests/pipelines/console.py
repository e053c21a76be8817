"""What Dagster's web UI shows of a table, asked for with the UI's own GraphQL queries."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster_graphql.test.utils import execute_dagster_graphql

from batch_platform_tests.pipelines.project import Project

_QUERY = """
query Table($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      assetPartitionStatuses {
        ... on TimePartitionStatuses { ranges { startKey endKey status } }
      }
      assetChecksOrError {
        ... on AssetChecks {
          checks {
            name
            blocking
            partitionStatuses {
              ... on AssetCheckTimePartitionStatuses { ranges { startKey endKey status } }
            }
          }
        }
      }
    }
  }
}
"""
Ranges = list[tuple[str, str, str]]


@dataclass(frozen=True)
class Shown:
    """The state of a table's partitions, and of its checks' partitions, as (first key, last key, status)."""

    partitions: Ranges
    checks: dict[str, Ranges]
    blocking: dict[str, bool]


def shown(project: Project, instance: dg.DagsterInstance, table: str) -> Shown:
    """Ask for one table; the code location is loaded in this process."""
    origin = InProcessCodeLocationOrigin(
        LoadableTargetOrigin(
            executable_path=sys.executable, python_file=str(Path(project.root) / "location.py"), attribute="defs"
        ),
        location_name=project.root.name,
    )
    with (
        project.tree(),
        WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget([origin])) as workspace,
    ):
        result = execute_dagster_graphql(
            workspace.create_request_context(), _QUERY, {"key": {"path": table.split("/")}}
        )
    assert not result.errors, result.errors
    node = result.data["assetNodeOrError"]
    checks = node["assetChecksOrError"]["checks"]
    return Shown(
        _ranges(node["assetPartitionStatuses"]["ranges"]),
        {check["name"]: _ranges(check["partitionStatuses"]["ranges"]) for check in checks},
        {check["name"]: check["blocking"] for check in checks},
    )


def _ranges(found: list[dict[str, str]]) -> Ranges:
    return [(item["startKey"], item["endKey"], item["status"]) for item in found]
