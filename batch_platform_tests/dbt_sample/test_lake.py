"""The shop run through Dagster into the lake, twice: every stored table is as real dbt made it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from batch_platform.automation.reporting import asset_key
from batch_platform.lake.table import Table
from batch_platform.settings import LAKE, LAKE_OPTIONS, PROJECT, Settings
from batch_platform_tests.dbt_sample.golden import GENERATIONS, SECOND_SEEDS, goldens, unlike
from batch_platform_tests.dbt_sample.golden import PROJECT as SHOP
from batch_platform_tests.pipelines.fixtures import instance
from batch_platform_tests.pipelines.project import Project

__all__ = ["instance"]

COLUMNS = {
    "session_id": "BIGINT",
    "customer_id": "BIGINT",
    "device": "VARCHAR",
    "started_at": "VARCHAR",
    "page_count": "INTEGER",
    "seconds": "DOUBLE",
    "is_member": "BOOLEAN",
}
DOCUMENTS: list[dict[str, object]] = [
    {
        "type": "batch_platform.InputSnapshot",
        "attributes": {
            "name": "web_sessions",
            "source": {"files": "shop/raw/web_sessions.csv", "columns": COLUMNS},
            "key": ["session_id"],
        },
    },
    {"type": "batch_platform.FeatureTables", "attributes": {"project": "shop"}},
]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose one pipeline is the shop."""
    for name in (LAKE, LAKE_OPTIONS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(PROJECT, str(tmp_path / "project"))
    created = Project.create(tmp_path / "project")
    shutil.copytree(SHOP, created.root / "shop")
    created.declare("shop", DOCUMENTS)
    return created


def _run(project: Project, instance: dg.DagsterInstance) -> dg.Definitions:
    """Materialize every asset, as `dbt seed` and `dbt run` make every relation."""
    definitions = project.definitions()
    graph = definitions.resolve_asset_graph()
    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[key for key in graph.get_all_asset_keys() if graph.get(key).is_materializable],
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )
    assert result.success, "\n".join(_reasons(result))
    return definitions


def _reasons(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    """Why steps failed: what a step says of itself, or the innermost error."""
    for event in result.all_events:
        if event.is_step_failure:
            failure, error = event.step_failure_data, event.step_failure_data.error
            while error and error.cause:
                error = error.cause
            told = failure.user_failure_data.description if failure.user_failure_data else None
            yield told or (error.message if error else str(event.step_key))


@pytest.mark.slow
def test_every_stored_table_is_as_dbt_made_it(shop: Project, instance: dg.DagsterInstance) -> None:
    for generation in GENERATIONS:
        if generation == GENERATIONS[1]:
            shutil.copytree(SECOND_SEEDS, shop.root / "shop" / "seeds", dirs_exist_ok=True)
        keys = _run(shop, instance).resolve_asset_graph().get_all_asset_keys()
        lake = Settings.from_environment().lake
        told = []
        for name, golden in goldens(generation).items():
            table = f"{'seeds' if golden.materialized == 'seed' else 'features'}/{name}"
            assert asset_key(table) in keys
            if golden.materialized != "view":
                told += unlike(golden, Table(lake, table).read([""]))[:5]
        assert not told, "\n".join([generation, *told])
