"""The columns that a model's SQL yields, as a contract would declare them.

What belongs here: canonical types of Arrow's, and which columns are the platform's own. What does not: binding the SQL
(`sql/binding.py`), and what a file says of the columns (`schema_yml.py`).
"""

from __future__ import annotations

import pyarrow as pa

from batch_platform.contracts.column_types import is_number, storage
from batch_platform.errors import ConfigurationError
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.partitions import PARTITION_COLUMN

_OWN = (SOURCE_FILE, SOURCE_ROW, PARTITION_COLUMN)
_NAMES = {
    pa.bool_(): "BOOLEAN",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    # The next wider type that has a sign.
    pa.uint8(): "SMALLINT",
    pa.uint16(): "INTEGER",
    pa.uint32(): "BIGINT",
    pa.uint64(): "DECIMAL(20,0)",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.large_string(): "VARCHAR",
    pa.string_view(): "VARCHAR",
    pa.date32(): "DATE",
}
_INSTEAD = (
    (pa.types.is_null, "give it a type: CAST(NULL AS VARCHAR)"),
    (pa.types.is_time, "cast it to VARCHAR, or to minutes as INTEGER"),
    (pa.types.is_interval, "make it a number with a unit: epoch(x) / 60"),
    (pa.types.is_duration, "make it a number with a unit: epoch(x) / 60"),
    (pa.types.is_struct, "select one column per field: x.a, x.b"),
    (pa.types.is_map, "select one column per key: x['a'], x['b']"),
    (pa.types.is_nested, "select one column per element, or join them into a VARCHAR: array_to_string(x, ',')"),
    (pa.types.is_binary, "make it text: hex(x) or decode(x)"),
    (pa.types.is_large_binary, "make it text: hex(x) or decode(x)"),
)


def own_columns(bound: pa.Schema) -> dict[str, pa.DataType]:
    """The columns that are a model's own, in the order of its SQL; the others are the platform's."""
    return {field.name: field.type for field in bound if field.name not in _OWN}


def declared_type(name: str, kind: pa.DataType, where: str) -> str:
    """The canonical type that holds every value of an Arrow type.

    Raises:
        ConfigurationError: at `where`: the lake does not store the type.
    """
    if pa.types.is_dictionary(kind) and declared_type(name, kind.value_type, where) == "VARCHAR":
        return "VARCHAR"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMPTZ" if kind.tz else "TIMESTAMP"
    if pa.types.is_decimal(kind) and kind.precision <= 38 and 0 <= kind.scale <= kind.precision:
        return f"DECIMAL({kind.precision},{kind.scale})"
    if kind in _NAMES:
        return _NAMES[kind]
    fix = next((fix for test, fix in _INSTEAD if test(kind)), "cast it in the SQL to a type that the lake stores")
    raise ConfigurationError(f"column {name} is {kind}, which the lake does not store", where=where, fix=fix)


def spelled(kind: pa.DataType) -> str:
    """An Arrow type by its canonical name, or by Arrow's where the lake does not store it."""
    try:
        return declared_type("", kind, "")
    except ConfigurationError:
        return str(kind)


def may_become(kind: pa.DataType, data_type: str) -> bool:
    """Whether values of an Arrow type can be stored as a declared type, those that do not fit aside."""
    declared = storage(data_type)[1]
    if pa.types.is_null(kind) or kind == declared:
        return True
    if is_number(kind) and is_number(declared):
        return True
    if pa.types.is_timestamp(kind) and pa.types.is_timestamp(declared):
        return bool(kind.tz) == bool(declared.tz)
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(_NAMES.get(kind) == data_type)
