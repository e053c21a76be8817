"""The SQL of the shop means here what it means to real dbt: every relation is as dbt made it, in both generations.

What is held against dbt is the language: seeds and their types, templates, macros, vars, materializations, tests. The
rows go from model to model in one connection here, not through the lake.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from batch_platform.lake.store import relation
from batch_platform.sql.config import Materialization
from batch_platform.sql.model import SqlModel
from batch_platform.sql.order_proof import order_proof
from batch_platform.sql.project import Project, load_project
from batch_platform.sql.seeds import read_seed
from batch_platform.sql.walls import walled
from batch_platform_tests.dbt_sample.golden import (
    GENERATIONS,
    PROJECT,
    SECOND_SEEDS,
    goldens,
    results_of_tests,
    unlike,
)

SESSIONS = "snapshots/web_sessions"


class Shop:
    """The shop's relations in a walled connection, run as dbt runs them: seeds, then models in their order."""

    def __init__(self, raw: pa.Table) -> None:
        self.connection = walled()
        for stage in ("snapshots", "seeds", "features"):
            self.connection.execute(f"CREATE SCHEMA {stage}")
        self.store(SESSIONS, raw)

    def run(self, project: Project) -> None:
        """One `dbt seed` and one `dbt run`."""
        for seed in project.seeds():
            self.store(seed.table, read_seed(seed))
        for model in _in_order(project.models()):
            self._materialize(model)

    def store(self, table: str, rows: pa.Table) -> None:
        """Put rows in the place of a relation."""
        self.connection.register("arriving", rows)
        self.connection.execute(f"CREATE OR REPLACE TABLE {relation(table)} AS FROM arriving")
        self.connection.unregister("arriving")

    def rows(self, table: str) -> pa.Table:
        """What a relation holds now."""
        return self.connection.sql(f"FROM {relation(table)}").to_arrow_table()

    def _materialize(self, model: SqlModel) -> None:
        own, kind = relation(model.table), model.config.materialized
        if kind in (Materialization.VIEW, Materialization.EPHEMERAL):
            self.connection.execute(f"CREATE OR REPLACE VIEW {own} AS {model.compile(None)}")
            return
        exists = kind is Materialization.INCREMENTAL and self._has(model.name)
        sql = model.compile(None, incremental=exists)
        schemas = {table: self.rows(table).schema for table in model.inputs}
        rows = self.connection.sql(order_proof(sql, schemas).sql).to_arrow_table()
        if exists:
            held = self.rows(model.table)
            rows = pa.concat_tables([_without(held, rows, model.key), rows])
        self.store(model.table, rows)

    def _has(self, name: str) -> bool:
        query = "SELECT table_name FROM information_schema.tables WHERE table_name = ?"
        return bool(self.connection.execute(query, [name]).fetchall())


def _in_order(models: Iterable[SqlModel]) -> list[SqlModel]:
    waiting = {model.table: model for model in models}
    ordered: list[SqlModel] = []
    while waiting:
        ready = [model for model in waiting.values() if not waiting.keys() & set(model.inputs)]
        assert ready, f"models read one another in a circle: {sorted(waiting)}"
        ordered += [waiting.pop(model.table) for model in ready]
    return ordered


def _without(held: pa.Table, arriving: pa.Table, key: tuple[str, ...]) -> pa.Table:
    """The rows held that no arriving row replaces; without a key, all of them."""
    taken = {tuple(row.values()) for row in arriving.select(key).to_pylist()} if key else set()
    kept = [tuple(row.values()) not in taken for row in held.select(key).to_pylist()] if key else [True] * len(held)
    return held.filter(pa.array(kept, pa.bool_()))


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Shop, Project]]:
    """The shop after each generation; the second is the first that has gone on."""
    root = Path(shutil.copytree(PROJECT, tmp_path_factory.mktemp("dbt_sample") / "shop"))
    raw = duckdb.read_csv(str(PROJECT / "raw" / "web_sessions.csv")).to_arrow_table()
    first, second = Shop(raw), Shop(raw)
    project = load_project(root)
    first.run(project)
    for model in project.models():
        if model.config.materialized is Materialization.INCREMENTAL:
            second.store(model.table, first.rows(model.table))
    shutil.copytree(SECOND_SEEDS, root / "seeds", dirs_exist_ok=True)
    later = load_project(root)
    second.run(later)
    return dict(zip(GENERATIONS, [(first, project), (second, later)], strict=True))


@pytest.mark.parametrize("name", sorted(goldens(GENERATIONS[0])))
@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_relation_is_as_dbt_made_it(shops: dict[str, tuple[Shop, Project]], generation: str, name: str) -> None:
    shop, _ = shops[generation]
    golden = goldens(generation)[name]
    stage = "seeds" if golden.materialized == "seed" else "features"
    told = unlike(golden, shop.rows(f"{stage}/{name}"))
    assert not told, "\n".join(told[:10])


def test_the_project_has_what_dbt_found(shops: dict[str, tuple[Shop, Project]]) -> None:
    """Neither a disabled model nor an ephemeral one is a relation of dbt's; every other has its materialization."""
    _, project = shops[GENERATIONS[0]]
    kinds = {model.name: str(model.config.materialized) for model in project.models()}
    kinds |= {seed.name: "seed" for seed in project.seeds()}
    stored = {name: kind for name, kind in kinds.items() if kind != Materialization.EPHEMERAL}
    assert stored == {name: golden.materialized for name, golden in goldens(GENERATIONS[0]).items()}
    assert "abandoned_idea" not in kinds


@pytest.mark.parametrize("generation", GENERATIONS)
def test_singular_tests_say_what_they_say_in_dbt(shops: dict[str, tuple[Shop, Project]], generation: str) -> None:
    shop, project = shops[generation]
    said = results_of_tests(generation)
    found = {test.name: len(shop.connection.sql(test.compile()).fetchall()) for test in project.singular_tests()}
    assert found and found == {name: said[name][1] for name in found}


def test_a_table_that_is_unlike_dbts_is_told() -> None:
    """The two generations differ where orders moved on, and a column of another type is not dbt's."""
    first, second = (goldens(generation)["order_status"] for generation in GENERATIONS)
    assert unlike(first, first.rows) == []
    told = "\n".join(unlike(second, first.rows))
    assert "written_by: expected 'later', found 'first'" in told and "missing" in told
    place = first.rows.column_names.index("order_id")
    wide = first.rows.set_column(place, "order_id", first.rows["order_id"].cast(pa.int64()))
    assert unlike(first, wide) == ["order_status.order_id is int64, dbt's INTEGER"]
    assert "has the columns" in unlike(first, first.rows.drop_columns(["status"]))[0]
