"""What real dbt made of the shop, and how to hold other tables against it.

Belongs here: reading the golden data. Does not belong here: making them (`make_golden.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from batch_platform.sql.row_differences import Expected, differences

HERE = Path(__file__).parent
PROJECT = HERE / "shop"
SECOND_SEEDS = HERE / "second" / "seeds"
GENERATIONS = ("golden", "golden_second")

NARROWED = {"HUGEINT": ("decimal128(38, 0)", "int64")}
"""DuckDB's types that a lake does not have, and those that may stand for them."""


@dataclass(frozen=True)
class Golden:
    """One relation as dbt left it: how it was materialized, its columns with DuckDB's types, and its rows."""

    name: str
    materialized: str
    types: Mapping[str, str]
    rows: pa.Table


def goldens(generation: str) -> dict[str, Golden]:
    """The relations of a generation, by name; ephemeral models are none."""
    folder = HERE / generation
    relations = json.loads((folder / "relations.json").read_text())
    return {
        name: Golden(name, said["materialized"], said["columns"], pq.read_table(folder / f"{name}.parquet"))
        for name, said in relations.items()
    }


def results_of_tests(generation: str) -> dict[str, tuple[str, int]]:
    """What dbt's tests said: by name, the status and the number of rows that failed."""
    said = json.loads((HERE / generation / "tests.json").read_text())
    return {name: (result["status"], result["failures"]) for name, result in said.items()}


def unlike(golden: Golden, found: pa.Table) -> list[str]:
    """How a table differs from dbt's: in its columns' names, order and types, and in its rows; empty if it does not.

    The order of rows does not count, and floats may differ by what `row_differences` allows. The platform's own
    columns, which begin with `_`, are not looked at.
    """
    own = found.select([name for name in found.column_names if not name.startswith("_")])
    if own.column_names != golden.rows.column_names:
        return [f"{golden.name} has the columns {own.column_names}, dbt's {golden.rows.column_names}"]
    told = [
        f"{golden.name}.{field.name} is {field.type}, dbt's {golden.types[field.name]}"
        for field, wanted in zip(own.schema, golden.rows.schema, strict=True)
        if str(field.type) not in NARROWED.get(golden.types[field.name], (str(wanted.type),))
    ]
    where = f"{golden.name}.parquet"
    expected = [Expected(row, where) for row in golden.rows.to_pylist()]
    return [*told, *differences(expected, own.to_pylist())]
