"""Column types: synonyms mean one type, and a type the lake does not store is told what to use."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
import pytest

from batch_platform.contracts.column_types import canonical, instead_of
from batch_platform.errors import ConfigurationError
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


def test_a_timestamp_without_zone_is_told_what_to_use(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="use TIMESTAMPTZ"):
        one_column(tmp_path, "TIMESTAMP")


def test_a_type_has_one_name_or_advice() -> None:
    assert canonical(" double ") == "DOUBLE" and canonical("numeric(4)") == "DECIMAL(4,0)"
    assert canonical("decimal(39)") is None and canonical("int[]") is None
    assert instead_of("struct(a int)") == "use one column per field"
    assert instead_of("int[]") == "use one column per element"
    assert instead_of("intger").startswith("use one of BOOLEAN, ")
