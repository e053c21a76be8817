"""Unit tests of models without partitions: the rows a model adds to, and views that it reads, given or computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.sql.project import load_project
from batch_platform.sql.unit_case import Subject
from batch_platform.sql.unit_test import check
from batch_platform.timelines import Reading, Timeline

FILES = {
    "dbt_project.yml": "name: shop\n",
    "models/paid.sql": "{{ config(materialized='view') }}\nfrom {{ ref('orders') }} where euros > 0;\n",
    "models/log.sql": (
        "{{ config(materialized='incremental') }}\nselect id, sum(euros) as euros from {{ ref('paid') }}\n"
        "{% if is_incremental() %}where id > (select max(id) from {{ this }}){% endif %}\ngroup by id\n"
    ),
}
ORDERS = pa.schema({"id": pa.int64(), "euros": pa.float64()})
PAID = "orders: [{id: 1, euros: 2.5}, {id: 1, euros: 0.1}, {id: 2, euros: 0}, {id: 3, euros: 1}]"


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    """The model `log`, which reads the table `orders` through the view `paid`."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    project = load_project(tmp_path)
    log, paid = project.model("log"), project.model("paid")
    tables = ("features/orders", log.table)
    readings = [Reading(Timeline(table, None, None)) for table in tables]
    return Subject(log, None, readings, dict.fromkeys((*tables, paid.table), ORDERS), [paid])


def _check(folder: Path, subject: Subject, given: str, expect: Sequence[str]) -> None:
    case = folder / "log" / "a_case"
    case.mkdir(parents=True)
    (case / "given.yaml").write_text(given)
    (case / "expect.yaml").write_text("\n".join(f"- {row}" for row in expect))
    check(case, {"log": subject})


def test_the_first_time_everything_is_there_and_views_are_computed(tmp_path: Path, subject: Subject) -> None:
    _check(tmp_path, subject, PAID, ["{id: 1, euros: 2.6}", "{id: 3, euros: 1}"])


def test_with_rows_of_its_own_a_model_adds_to_them(tmp_path: Path, subject: Subject) -> None:
    _check(tmp_path, subject, f"{PAID}\nthis: [{{id: 1}}]", ["{id: 3, euros: 1}"])


def test_an_empty_table_of_its_own_is_there_all_the_same(tmp_path: Path, subject: Subject) -> None:
    """Nothing is greater than the maximum of no rows."""
    _check(tmp_path, subject, f"{PAID}\nthis: []", [])


def test_rows_of_a_view_stand_in_its_place(tmp_path: Path, subject: Subject) -> None:
    _check(tmp_path, subject, "paid: [{id: 9, euros: 4}]", ["{id: 9, euros: 4}"])


def test_no_partition_may_be_named(tmp_path: Path, subject: Subject) -> None:
    with pytest.raises(ConfigurationError, match=r"given\.yaml:1: the table has no partitions"):
        _check(tmp_path, subject, "orders: [{partition: 2025-01-01}]", [])
