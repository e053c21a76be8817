"""A run that a person terminates in the UI ends within a batch, is not tried again, and keeps what it had finished."""

from __future__ import annotations

import time
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster_graphql.test.utils import (
    define_out_of_process_context,
    execute_dagster_graphql,
    infer_repository_selector,
)

from batch_platform.settings import LAKE, PROJECT
from batch_platform_tests.automation import stoppable
from batch_platform_tests.engines.work import marks, wait_for

_LAUNCH = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } } }
}"""
_TERMINATE = """
mutation($id: String!) { terminateRun(runId: $id) { __typename } }
"""
# Without a daemon nobody would take a run out of the queue.
_INSTANCE = """
telemetry: {enabled: false}
run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}
"""
_ENDED = {dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_a_run_terminated_in_the_ui_stops_in_the_middle_of_a_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder, home = tmp_path / "marks", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    monkeypatch.setenv(stoppable.FOLDER, str(folder))
    monkeypatch.setenv(stoppable.KIND, kind)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv(PROJECT, str(tmp_path))
    monkeypatch.setenv(LAKE, str(tmp_path / "lake"))
    (home / "dagster.yaml").write_text(_INSTANCE)
    with (
        dg.DagsterInstance.from_config(str(home)) as instance,
        define_out_of_process_context(stoppable.__file__, None, instance) as context,
    ):
        assert isinstance(instance.run_launcher, DefaultRunLauncher)
        selector = {**infer_repository_selector(context), "pipelineName": "__ASSET_JOB"}
        selector["assetSelection"] = [{"path": stoppable.TABLE.split("/")}]
        launched = execute_dagster_graphql(
            context, _LAUNCH, variables={"params": {"selector": selector, "mode": "default"}}
        )
        run_id = launched.data["launchRun"]["run"]["runId"]
        wait_for(lambda: len(marks(folder, "done-")) == stoppable.QUICK and len(marks(folder, "begun-")) >= 4)

        asked = time.monotonic()
        answer = execute_dagster_graphql(context, _TERMINATE, variables={"id": run_id})
        assert answer.data["terminateRun"]["__typename"] == "TerminateRunSuccess"
        wait_for(lambda: instance.get_run_by_id(run_id).status in _ENDED)
        took = time.monotonic() - asked

        assert instance.get_run_by_id(run_id).status is dg.DagsterRunStatus.CANCELED
        assert took < 20
        events = [entry.dagster_event.event_type_value for entry in instance.all_logs(run_id) if entry.dagster_event]
        assert "STEP_UP_FOR_RETRY" not in events
        assert "ASSET_MATERIALIZATION" not in events
    assert marks(folder, "done-") == set(range(stoppable.QUICK))
    assert marks(folder, "cancelled-") == marks(folder, "begun-") - marks(folder, "done-") != set()
    assert len(list(folder.glob("attempt-*"))) == 1
