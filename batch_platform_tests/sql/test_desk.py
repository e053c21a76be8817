"""The desk: texts are bound to the tables that it holds at the time, and none is run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from batch_platform.sql.desk import Desk

FLIGHTS = pa.schema([("id", pa.int64()), ("distance", pa.float64())])


@pytest.fixture
def own() -> Iterator[Desk]:
    """A desk of the test's own."""
    made = Desk()
    yield made
    made.close()


def test_a_query_is_bound_to_the_tables_of_this_moment(own: Desk) -> None:
    sql = "SELECT * FROM snapshots.flights"
    with own.holding({"snapshots/flights": FLIGHTS}):
        assert own.columns(sql) == [("id", "BIGINT"), ("distance", "DOUBLE")]
    with own.holding({"snapshots/flights": pa.schema([("id", pa.string())]), "late": FLIGHTS}):
        assert own.columns(sql) == [("id", "VARCHAR")]
        assert [name for name, _ in own.columns("SELECT * FROM late")] == ["id", "distance"]
    with own.holding({"late": FLIGHTS}), pytest.raises(duckdb.Error, match="flights"):
        own.columns(sql)


@pytest.mark.parametrize(
    "sql", ["DROP TABLE late", "SELECT 1; DROP TABLE late", "CREATE TABLE x AS FROM late", "COPY late TO '{file}'", ""]
)
def test_a_text_that_is_not_one_select_changes_nothing(own: Desk, sql: str, tmp_path: Path) -> None:
    with own.holding({"late": FLIGHTS}):
        for ask in (own.columns, own.plan):
            with pytest.raises(duckdb.Error):
                ask(sql.format(file=tmp_path / "out.csv"))
        assert len(own.columns("SELECT * FROM late")) == 2
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_run(own: Desk) -> None:
    """The plan of a query that fails as soon as it is run."""
    with own.holding({"late": FLIGHTS}):
        assert "error" in own.plan("SELECT error('now') FROM late")
        assert own.columns("SELECT error('now') AS e FROM range(1)")[0][0] == "e"


def test_a_file_is_not_read(own: Desk, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    with own.holding({}), pytest.raises(duckdb.Error):
        own.columns(f"SELECT * FROM '{tmp_path / 'a.csv'}'")
