"""The names of column types as declarations spell them, and the Arrow types that they stand for.

Belongs here: names and types. Does not belong here: converting values (`conversion.py`).
"""

from __future__ import annotations

import re

import pyarrow as pa

TYPES = {
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
}
"""The names of column types, as DuckDB writes them; `DECIMAL(p,s)` is the one with parameters."""

_DECIMAL = re.compile(r"DECIMAL\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type for a column type name such as `BIGINT` or `DECIMAL(12,2)`; upper or lower case.

    Raises:
        ValueError: no such type; the message lists those there are.
    """
    spelled = name.strip().upper()
    if spelled in TYPES:
        return TYPES[spelled]
    decimal = _DECIMAL.fullmatch(spelled)
    if decimal:
        precision, scale = int(decimal[1]), int(decimal[2])
        if 1 <= precision <= 38 and scale <= precision:
            return pa.decimal128(precision, scale)
    raise ValueError(f"{name!r} is not a type; expected one of {', '.join(TYPES)}, DECIMAL(p,s) with s <= p <= 38")


def type_name(kind: pa.DataType) -> str:
    """An Arrow type as a declaration spells it; by Arrow's own name where none can."""
    if pa.types.is_decimal128(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    return next((name for name, own in TYPES.items() if own == kind), str(kind))
