"""Binding without rows: wrong names and columns are told when definitions load, with file, line and a suggestion."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.features.definition import example_query
from batch_platform.sql.binding import Binder, bind_condition, input_schema
from batch_platform_tests.features.tables import SQL, feature_table

FLIGHTS = {"flight": pa.string(), "distance_miles": pa.int64()}
OUTCOMES = {"flight": pa.string(), "delay_minutes": pa.int64()}
INPUTS = {
    "snapshots/flights": input_schema(FLIGHTS, partitioned=True),
    "snapshots/outcomes": input_schema(OUTCOMES, partitioned=True),
}


def _bind(tmp_path: Path, sql: str) -> None:
    features = feature_table(tmp_path / "sql", sql)
    with Binder() as binder:
        for table, schema in INPUTS.items():
            binder.declare(table, schema)
        binder.bind(example_query(features), str(features.model.path))


def test_a_right_query_binds(tmp_path: Path) -> None:
    _bind(tmp_path, SQL)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (
            "flights.distance_miles",
            "flights.distnce_miles AS distance_miles",
            r"distnce_miles.*did you mean.*distance_miles",
        ),
        ("flights.distance_miles", "length(flights.distance_miles) AS distance_miles", "length"),
        ("flights.distance_miles", "nofunction(1) AS distance_miles", "nofunction"),
        ("FROM", "FORM", r"\.sql:\d+: Parser Error"),
    ],
)
def test_a_wrong_query_is_refused_with_its_file(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as told:
        _bind(tmp_path, SQL.replace(right, wrong, 1))
    assert str(told.value).startswith(str(tmp_path / "sql"))


def test_binding_reads_no_file(tmp_path: Path) -> None:
    """A query is bound inside the same walls in which it will run."""
    with pytest.raises(ConfigurationError, match="disabled"):
        _bind(
            tmp_path, SQL.replace("flights.distance_miles", "(SELECT 1 FROM read_csv('/etc/passwd')) AS distance_miles")
        )


def test_a_condition_binds_to_its_tables_columns() -> None:
    bind_condition("delay_minutes > 15", INPUTS["snapshots/outcomes"], "label.sql")
    with pytest.raises(ConfigurationError, match=r"label\.sql: Binder Error.*dely_minutes.*did you mean"):
        bind_condition("dely_minutes > 15", INPUTS["snapshots/outcomes"], "label.sql")
