"""The types of a database in Arrow, and values that become what is declared or are refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from batch_platform.snapshots.sql_types import UNTOLD, SqlColumn, array_of, column_of, postgres_column, to_declared


@pytest.mark.parametrize(
    ("sql", "dialect", "kind"),
    [
        (sa.SmallInteger(), "postgresql", pa.int16()),
        (sa.Integer(), "postgresql", pa.int32()),
        (sa.Integer(), "sqlite", pa.int64()),
        (sa.BigInteger(), "mysql", pa.int64()),
        (sa.REAL(), "postgresql", pa.float32()),
        (sa.REAL(), "sqlite", pa.float64()),
        (postgresql.DOUBLE_PRECISION(), "postgresql", pa.float64()),
        (sa.Numeric(12, 2), "postgresql", pa.decimal128(12, 2)),
        (sa.Numeric(39, 2), "postgresql", None),
        (sa.Numeric(), "postgresql", None),
        (sa.DateTime(timezone=True), "postgresql", pa.timestamp("us", "UTC")),
        (sa.DateTime(), "sqlite", pa.timestamp("us")),
        (sa.Date(), "postgresql", pa.date32()),
        (sa.Text(), "postgresql", pa.string()),
        (sa.LargeBinary(), "sqlite", pa.binary()),
        (sa.ARRAY(sa.Integer()), "postgresql", pa.list_(pa.int32())),
        (sa.ARRAY(sa.Numeric(4, 2)), "postgresql", None),
        (sa.Interval(), "postgresql", None),
        (sa.Time(), "postgresql", None),
    ],
)
def test_a_type_has_one_counterpart_or_none(sql: Any, dialect: str, kind: pa.DataType | None) -> None:
    assert column_of(sql, dialect).kind == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("int8", pa.int64()),
        ("timestamptz", pa.timestamp("us", "UTC")),
        ("timestamp", pa.timestamp("us")),
        ("varchar", pa.string()),
        ("_int4", pa.list_(pa.int32())),
        ("text[]", pa.list_(pa.string())),
        ("uuid", None),
        ("jsonb", None),
        ("nosuch", None),
    ],
)
def test_a_type_of_postgres_is_known_by_its_name(name: str, kind: pa.DataType | None) -> None:
    assert postgres_column(name, None, None).kind == kind


def test_a_number_of_postgres_has_the_digits_that_it_tells() -> None:
    assert postgres_column("numeric", 12, 2).kind == pa.decimal128(12, 2)
    assert postgres_column("numeric", None, None) == SqlColumn("numeric", None, parse=True)


def test_numbers_of_any_length_travel_as_text() -> None:
    values = [Decimal("1E+3"), None, Decimal("0.10"), Decimal("NaN")]
    assert array_of(values, UNTOLD).to_pylist() == ["1000", None, "0.10", "NaN"]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["7.00", None], pa.int64(), [7, None]),
        (["0.10"], pa.decimal128(4, 2), [Decimal("0.10")]),
        (["0.5"], pa.float64(), [0.5]),
        ([0, 1, None], pa.bool_(), [False, True, None]),
        (pa.array([None], pa.int64()), pa.bool_(), [None]),
        ([7], pa.int32(), [7]),
    ],
)
def test_values_become_what_is_declared(values: Any, kind: pa.DataType, expected: list[Any]) -> None:
    assert to_declared(pa.array(values) if isinstance(values, list) else values, kind).to_pylist() == expected


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["7.50"], pa.int64()),
        (["0.123"], pa.decimal128(4, 2)),
        (["x"], pa.float64()),
        ([2], pa.bool_()),
        ([1 << 40], pa.int32()),
        ([1], pa.date32()),
        ([1], pa.string()),
        ([1.5], pa.int64()),
    ],
)
def test_values_that_would_lose_something_are_refused(values: list[Any], kind: pa.DataType) -> None:
    with pytest.raises(pa.ArrowInvalid):
        to_declared(pa.array(values), kind)
