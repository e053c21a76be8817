"""Column types: synonyms mean one type, and a type the lake does not store is told what to use."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
import pytest

from batch_platform.contracts.column_types import canonical, holds, instead_of, storage
from batch_platform_tests.contracts.examples import (
    one_column,
)


@pytest.mark.parametrize(
    ("spelled", "canonical", "stored"),
    [
        ("int8", "BIGINT", pa.int64()),
        ("text", "VARCHAR", pa.string()),
        ("real", "FLOAT", pa.float32()),
        ("timestamp  with time zone", "TIMESTAMPTZ", pa.timestamp("us", "UTC")),
        ('"NUMERIC(10, 2)"', "DECIMAL(10,2)", pa.decimal128(10, 2)),
        ("decimal", "DECIMAL(18,3)", pa.decimal128(18, 3)),
        ('"decimal(38)"', "DECIMAL(38,0)", pa.decimal128(38, 0)),
    ],
)
def test_synonyms_of_a_type_are_one_type(tmp_path: Path, spelled: str, canonical: str, stored: pa.DataType) -> None:
    column = one_column(tmp_path, spelled).column("c")
    assert (column.data_type, column.arrow_type) == (canonical, stored)
    assert pl.Series([], dtype=column.polars_type).to_arrow().type in (stored, pa.large_string())


def test_a_timestamp_without_zone_stays_without(tmp_path: Path) -> None:
    column = one_column(tmp_path, "datetime").column("c")
    assert (column.data_type, column.arrow_type) == ("TIMESTAMP", pa.timestamp("us"))


INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")


@pytest.mark.parametrize("data_type", [*INTEGERS, "FLOAT", "DECIMAL(4,2)", "DECIMAL(20,0)", "DATE", "VARCHAR"])
@pytest.mark.parametrize("wider", [*INTEGERS, "FLOAT", "DOUBLE", "DECIMAL(4,2)", "DECIMAL(6,3)", "DECIMAL(38,0)"])
def test_a_type_that_holds_another_changes_no_value_of_it(data_type: str, wider: str) -> None:
    stored, target = storage(data_type)[0], storage(wider)[0]
    if not (stored.is_numeric() and target.is_numeric()):
        assert not holds(wider, data_type)
        return
    if stored.is_integer():
        lowest, highest = pl.select(stored.min().alias("low"), stored.max().alias("high")).row(0)
        values = [lowest, lowest + 1, 0, highest - 1, highest]
    elif stored.is_float():
        values = [0.1, -3.5, 3.0e38]
    else:
        digits = Decimal("9" * int(stored.precision)).scaleb(-int(stored.scale))  # type: ignore[attr-defined]
        values = [-digits, digits, digits - 1]
    series = pl.Series(values, dtype=stored)
    kept = series.cast(target, strict=False)
    same = kept.null_count() == 0 and [Fraction(v) for v in kept] == [Fraction(v) for v in series]
    assert holds(wider, data_type) is same


def test_a_type_has_one_name_or_advice() -> None:
    assert canonical(" double ") == "DOUBLE" and canonical("numeric(4)") == "DECIMAL(4,0)"
    assert canonical("decimal(39)") is None and canonical("int[]") is None
    assert instead_of("struct(a int)") == "use one column per field"
    assert instead_of("int[]") == "use one column per element"
    assert instead_of("intger").startswith("use one of BOOLEAN, ")
