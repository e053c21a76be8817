"""`InputSnapshot`: its checks promise what a capture proves, and its files can be looked at beforehand."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from batch_platform.errors import ConfigurationError, PartitionKeyError
from batch_platform.settings import LAKE, LAKE_OPTIONS, PROJECT
from batch_platform.snapshots.component import preflights
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


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A pipeline of a daily and an unpartitioned snapshot; of the daily one, one day is there."""
    for name in (LAKE, LAKE_OPTIONS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(PROJECT, str(tmp_path))
    project = Project.create(tmp_path)
    daily = {
        "name": "orders",
        "partitions": {"cadence": "daily", "start": "2025-01-05"},
        "source": {"files": "{partition_key}.csv", "columns": {"order_id": "BIGINT"}},
    }
    register = {"name": "channels", "source": {"files": "channels.csv"}}
    kind = "batch_platform.InputSnapshot"
    project.declare("shop", [{"type": kind, "attributes": attributes} for attributes in (daily, register)])
    (tmp_path / "channels.csv").write_text("channel\nweb\n")
    (tmp_path / "2025-01-05.csv").write_text("order_id\n1\n")
    return project


def test_a_pipeline_or_one_table_is_looked_at(shop: Project) -> None:
    with shop.tree() as tree:
        found = preflights(tree, "shop", "2025-01-05", "2025-01-07")
        assert [(findings.table, findings.partitions, findings.breaks) for findings in found] == [
            ("snapshots/channels", 1, False),
            ("snapshots/orders", 3, True),
        ]
        assert {finding.partition for finding in found[1].differences} == {"2025-01-06", "2025-01-07"}
        for name in ("orders", "snapshots/orders"):
            (findings,) = preflights(tree, name, "2025-01-05")
            assert findings.lines() == ["snapshots/orders: looked at 1 files of 1 partitions"]
        (newest,) = preflights(tree, "orders")
        assert newest.partitions == 1 and newest.breaks


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        (("nothing",), ConfigurationError, "there is no pipeline and no snapshot 'nothing'"),
        (("shop", "2025-01-04"), PartitionKeyError, "before the first partition"),
        (("shop", "yesterday"), PartitionKeyError, "not a daily partition key"),
        (("shop", "2025-01-07", "2025-01-06"), PartitionKeyError, "comes after"),
    ],
)
def test_what_cannot_be_looked_at_is_told(shop: Project, words: tuple[str, ...], kind: type, said: str) -> None:
    with shop.tree() as tree, pytest.raises(kind, match=said):
        preflights(tree, *words)
