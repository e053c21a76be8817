"""The types a column may be declared with: their names, how they are stored, and their values as YAML spells them.

What belongs here: tables of types and functions on one type. What does not: columns (`contract.py`) and tests on
their values (`rules.py`).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from decimal import Decimal

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

Scalar = bool | int | float | str | Decimal | dt.date | dt.datetime

TYPES: Mapping[str, tuple[pl.DataType, pa.DataType]] = {
    "BOOLEAN": (pl.Boolean(), pa.bool_()),
    "TINYINT": (pl.Int8(), pa.int8()),
    "SMALLINT": (pl.Int16(), pa.int16()),
    "INTEGER": (pl.Int32(), pa.int32()),
    "BIGINT": (pl.Int64(), pa.int64()),
    "FLOAT": (pl.Float32(), pa.float32()),
    "DOUBLE": (pl.Float64(), pa.float64()),
    "VARCHAR": (pl.String(), pa.string()),
    "DATE": (pl.Date(), pa.date32()),
    "TIMESTAMP": (pl.Datetime("us"), pa.timestamp("us")),
    "TIMESTAMPTZ": (pl.Datetime("us", "UTC"), pa.timestamp("us", "UTC")),
}
_SYNONYMS = {
    **dict.fromkeys(("BOOL", "LOGICAL"), "BOOLEAN"),
    "INT1": "TINYINT",
    **dict.fromkeys(("INT2", "INT16", "SHORT"), "SMALLINT"),
    **dict.fromkeys(("INT", "INT4", "INT32", "SIGNED"), "INTEGER"),
    **dict.fromkeys(("INT8", "INT64", "LONG"), "BIGINT"),
    **dict.fromkeys(("REAL", "FLOAT4"), "FLOAT"),
    "FLOAT8": "DOUBLE",
    **dict.fromkeys(("TEXT", "STRING", "CHAR", "BPCHAR"), "VARCHAR"),
    **dict.fromkeys(("DATETIME", "TIMESTAMP WITHOUT TIME ZONE"), "TIMESTAMP"),
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ",
    **dict.fromkeys(("DECIMAL", "NUMERIC", "DEC"), "DECIMAL(18,3)"),
}
_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC|DEC)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")
_INSTEAD = {
    "HUGEINT": "use BIGINT or DECIMAL(38,0)",
    "UBIGINT": "use BIGINT or DECIMAL(20,0)",
    "UUID": "use VARCHAR",
    "JSON": "use VARCHAR",
    "ENUM": "use VARCHAR with accepted_values",
    "TIME": "use VARCHAR, or minutes as INTEGER",
    "INTERVAL": "use a number with a unit",
    "STRUCT": "use one column per field",
    "MAP": "use one column per key",
}


def canonical(spelled: str) -> str | None:
    """The one name of a declared type, in capitals and without synonyms; None for a type the lake does not store."""
    upper = " ".join(spelled.upper().split())
    name = _SYNONYMS.get(upper, upper)
    if name in TYPES or name == "DECIMAL(18,3)":
        return name
    if match := _DECIMAL.fullmatch(name):
        precision, scale = int(match[1]), int(match[2] or 0)
        if 1 <= precision <= 38 and scale <= precision:
            return f"DECIMAL({precision},{scale})"
    return None


def instead_of(spelled: str) -> str:
    """What to declare in place of a type that the lake does not store."""
    name = " ".join(spelled.upper().split())
    if name.endswith("]"):
        return "use one column per element"
    bare = re.split(r"[(\[<]", name)[0].strip()
    return _INSTEAD.get(bare, "") or f"use one of {', '.join(TYPES)}, DECIMAL(p,s)"


def storage(data_type: str) -> tuple[pl.DataType, pa.DataType]:
    """Types in memory and in the lake of a canonical name."""
    if data_type in TYPES:
        return TYPES[data_type]
    precision, scale = _precision_and_scale(data_type)
    return pl.Decimal(precision, scale), pa.decimal128(precision, scale)


def is_number(kind: pa.DataType) -> bool:
    """Whether values of an Arrow type are numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


_DIGITS = {"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19}
"""Decimal digits of the largest whole number of each type."""


def holds(wider: str, data_type: str) -> bool:
    """Whether a canonical type holds every value of another one without changing it."""
    if wider == data_type or (data_type, wider) == ("FLOAT", "DOUBLE"):
        return True
    if data_type in _DIGITS and wider in _DIGITS:
        return _DIGITS[wider] >= _DIGITS[data_type]
    if data_type in _DIGITS and wider in ("FLOAT", "DOUBLE"):
        return data_type in (("TINYINT", "SMALLINT") if wider == "FLOAT" else ("TINYINT", "SMALLINT", "INTEGER"))
    if wider.startswith("DECIMAL"):
        precision, scale = _DIGITS.get(data_type, 0), 0
        if data_type.startswith("DECIMAL"):
            precision, scale = _precision_and_scale(data_type)
        places, after = _precision_and_scale(wider)
        return precision > 0 and after >= scale and places - after >= precision - scale
    return False


def _precision_and_scale(decimal: str) -> tuple[int, int]:
    precision, scale = (int(n) for n in decimal[len("DECIMAL(") : -1].split(","))
    return precision, scale


def typed(value: object, dtype: pl.DataType) -> Scalar:
    """A value read from YAML as exactly a value of a column's type.

    Raises:
        ValueError: the value is of another kind, does not fit the type, or would change when stored in it.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    whole = number and value == value and float(str(value)).is_integer()
    if dtype == pl.String and isinstance(value, str):
        return value
    if dtype == pl.Boolean and isinstance(value, bool):
        return value
    if dtype == pl.Date and isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    if isinstance(dtype, pl.Datetime) and isinstance(value, dt.datetime):
        if dtype.time_zone and value.tzinfo is not None:
            return value.astimezone(dt.UTC)
        if not dtype.time_zone and value.tzinfo is None:
            return value
    if dtype.is_float() and isinstance(value, int | float) and number and value == value:
        return float(value)
    if dtype.is_integer() and isinstance(value, int | float) and whole:
        try:
            pl.Series([int(value)], dtype=dtype, strict=True)
        except (OverflowError, TypeError, pl.exceptions.PolarsError):
            raise ValueError(f"{value!r} does not fit the column's type") from None
        return int(value)
    if isinstance(dtype, pl.Decimal) and number and abs(float(str(value))) != float("inf") and value == value:
        exact = Decimal(str(value))
        if exact != round(exact, dtype.scale) or abs(exact) >= Decimal(10) ** (dtype.precision - dtype.scale):
            raise ValueError(f"{value!r} does not fit the column's type")
        return exact
    raise ValueError(f"{value!r} is not a value of the column's type")
