"""`InputSnapshot` promises in its checks what a capture proves, and nothing more."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from batch_platform.settings import PROJECT
from batch_platform_tests.pipelines.project import Project


@pytest.mark.parametrize(("key", "names"), [([], {"produced"}), (["channel"], {"produced", "key_is_unique"})])
def test_uniqueness_is_checked_where_a_key_is_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: list[str], names: set[str]
) -> None:
    monkeypatch.setenv(PROJECT, str(tmp_path))
    project = Project.create(tmp_path)
    attributes = {"name": "channels", "source": {"files": "channels.csv"}, "key": key}
    project.declare("channels", [{"type": "batch_platform.InputSnapshot", "attributes": attributes}])
    (tmp_path / "channels.csv").write_text("channel\nweb\n")
    definitions = project.definitions()
    assert {check.name for check in definitions.resolve_asset_graph().asset_check_keys} == names
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance)
        assert result.success
        assert {found.check_name for found in result.get_asset_check_evaluations() if found.passed} == names
