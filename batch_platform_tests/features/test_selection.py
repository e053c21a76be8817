"""How a table without partitions adds rows to those that it has: by strategy, and never to other columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.errors import ContractError
from batch_platform.features.definition import FeatureTable
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform_tests.features.projects import read_project
from batch_platform_tests.features.tables import built
from batch_platform_tests.features.test_preview import PORTS, put_airports


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake."""
    return Lake(str(tmp_path / "lake"))


def model(folder: Path, sql: str, config: str) -> FeatureTable:
    """The model `ports`, incremental."""
    text = f"{{{{ config(materialized='incremental', {config}) }}}}\n{sql}"
    return read_project(folder, {"models/ports.sql": text})["ports"]


def build(features: FeatureTable, lake: Lake) -> None:
    """Build it; it must succeed."""
    assert [outcome.error for outcome in built(features, lake, [""])] == [None]


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ("unique_key='airport'", [("EWR", 5), ("JFK", 4)]),
        ("unique_key='airport', incremental_strategy='merge'", [("EWR", 5), ("JFK", 4)]),
        ("unique_key='airport', incremental_strategy='delete+insert'", [("EWR", 5), ("JFK", 4)]),
        ("unique_key='airport', incremental_strategy='append'", [("EWR", 3), ("EWR", 5), ("JFK", 4)]),
        ("incremental_strategy='append'", [("EWR", 3), ("EWR", 5), ("JFK", 4)]),
        ("unique_key='airport', full_refresh=true", [("EWR", 5)]),
    ],
)
def test_rows_are_added_as_the_strategy_says(
    lake: Lake, tmp_path: Path, config: str, found: list[tuple[str, int]]
) -> None:
    ports = model(tmp_path, PORTS, config)
    put_airports(lake, {"EWR": 3, "JFK": 4})
    build(ports, lake)
    put_airports(lake, {"EWR": 5})
    build(ports, lake)
    rows = Table(lake, "features/ports").read()
    assert sorted(zip(rows["airport"].to_pylist(), rows["runways"].to_pylist(), strict=True)) == found


@pytest.mark.parametrize("policy", ["ignore", "fail"])
@pytest.mark.parametrize(
    ("columns", "said"),
    [("airport, runways, 5 AS extra", "new: extra"), ("airport", "gone: runways"), ("airport, 1 AS n", "new: n; gone")],
)
def test_rows_are_not_added_to_a_table_with_other_columns(
    lake: Lake, tmp_path: Path, policy: str, columns: str, said: str
) -> None:
    put_airports(lake, {"EWR": 3})
    config = f"unique_key='airport', on_schema_change='{policy}'"
    build(model(tmp_path, PORTS, config), lake)
    before = Table(lake, "features/ports").read()
    sql = PORTS.replace("*", columns)
    (outcome,) = built(model(tmp_path, sql, config), lake, [""])
    assert isinstance(outcome.error, ContractError) and said in str(outcome.error)
    assert "full_refresh=true" in outcome.error.fix
    assert [(check.name, check.passed) for check in outcome.checks] == [("contract", False)]
    assert Table(lake, "features/ports").read() == before
    if "gone" in said:
        assert "move features/ports and quarantine/ports away" in outcome.error.fix
        for table in ("features", "quarantine"):
            (tmp_path / "lake" / table).rename(tmp_path / table)
    else:
        build(model(tmp_path, sql, config + ", full_refresh=true"), lake)
    build(model(tmp_path, sql, config), lake)
    assert Table(lake, "features/ports").read().num_rows == 1


def test_a_model_that_reads_only_its_own_rows_is_built_the_first_time_and_again(lake: Lake, tmp_path: Path) -> None:
    sql = "SELECT 1 AS n {% if is_incremental() %} UNION ALL SELECT max(n) + 1 FROM {{ this }} {% endif %}"
    counted = model(tmp_path, sql, "unique_key='n'")
    for rows in ([1], [1, 2], [1, 2, 3]):
        build(counted, lake)
        assert Table(lake, "features/ports").read()["n"].to_pylist() == rows
