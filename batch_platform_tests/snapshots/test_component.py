"""`InputSnapshot`: its checks promise what a capture proves, and its files can be looked at beforehand."""

from __future__ import annotations

import sqlite3
import traceback
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from batch_platform.errors import ConfigurationError, PartitionKeyError, chain
from batch_platform.lake.table import Table
from batch_platform.settings import LAKE, LAKE_OPTIONS, PROJECT, Settings
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


def test_sources_of_every_kind_are_captured_as_they_are_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (LAKE, LAKE_OPTIONS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(PROJECT, str(tmp_path))
    monkeypatch.setenv("SHOP_DB", f"sqlite:///{tmp_path}/open-sesame.db")
    with sqlite3.connect(tmp_path / "open-sesame.db") as database:
        database.execute("create table orders (id integer primary key, day date)")
        database.execute("insert into orders values (1, '2025-01-05'), (2, '2025-01-06')")
    rows = pa.table({"id": [1, 2], "day": ["2025-01-05", "2025-01-06"]})
    write_deltalake(tmp_path / "table", rows)
    (tmp_path / "shop_of_a_test.py").write_text(
        "import pyarrow as pa\ndef orders(key, start, end, id): return pa.table({'id': [id], 'day': [key]})\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    sources = {
        "stored": {"sql": {"url_from": "SHOP_DB", "table": "orders", "watermark": "day"}},
        "shared": {"delta": {"table": "table", "partition": "day"}},
        "called": {"function": {"call": "shop_of_a_test:orders", "options": {"id": 1}}},
    }
    project = Project.create(tmp_path)
    daily = {"partitions": {"cadence": "daily", "start": "2025-01-05"}}
    project.declare(
        "shop",
        [
            {"type": "batch_platform.InputSnapshot", "attributes": {"name": name, "source": source, **daily}}
            for name, source in sources.items()
        ],
    )
    definitions = project.definitions()
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance, partition_key="2025-01-05")
        assert result.success
        shown = "".join(str(event) for event in result.all_events)
    assert "sql:orders" in shown and "open-sesame" not in shown.replace(str(tmp_path), "")
    lake = Settings.from_environment().lake
    for name in sources:
        delta = Table(lake, f"snapshots/{name}").open()
        assert delta is not None
        assert delta.to_pyarrow_table().column("id").to_pylist() == [1]
    with project.tree() as tree:
        told = {findings.table: findings.lines() for findings in preflights(tree, "shop")}
    assert told["snapshots/stored"] == ["snapshots/stored: nothing to look at beforehand in sql:orders"]


def test_an_address_in_yaml_is_refused_without_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROJECT, str(tmp_path))
    project = Project.create(tmp_path)
    source = {"sql": {"url_from": "postgresql://me:open-sesame@host/db", "table": "orders"}}
    attributes = {"name": "orders", "source": source}
    project.declare("shop", [{"type": "batch_platform.InputSnapshot", "attributes": attributes}])
    with pytest.raises(Exception, match="Error while loading") as raised:
        project.definitions()
    told = next(link for link in chain(raised.value) if isinstance(link, ConfigurationError))
    assert "field source.sql.url_from: expected the name of an environment variable" in str(told)
    assert "open-sesame" not in "".join(traceback.format_exception(raised.value))
