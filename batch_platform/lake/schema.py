"""The types under which the lake stores columns, and which schema may follow which in one table.

Belongs here: mapping Arrow types onto those that Delta has, and comparing schemas. Does not belong here:
contracts (a stage's promise about its columns) or changing a table.
"""

from __future__ import annotations

import pyarrow as pa

from batch_platform.errors import LakeError, first_line
from batch_platform.lake.digest import ROW_DIGEST, logical_type
from batch_platform.partitions import PARTITION_COLUMN

SOURCE_FILE, SOURCE_ROW = "_source_file", "_source_row"
"""The columns that say of a row where it stood in its source: the file, and the number of the row in it from 1 on."""

RESOLVED = "_resolved"
"""In a quarantine: whether a row has been corrected or replayed since."""

_DECIMAL_DIGITS = 38  # the widest decimal of the Delta protocol
_SIGNED = {pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64(), pa.uint64(): pa.int64()}


def storage_schema(schema: pa.Schema) -> pa.Schema:
    """The schema under which rows of `schema` are stored: the types that Delta has, every column nullable.

    Delta has no unsigned integers, no half floats, no time zone but UTC, and no unit but microseconds that every
    reader understands. None of that changes a content digest.

    Raises:
        LakeError: a column has no counterpart, is named twice or unprintably, or bears the partition column's name.
    """
    seen = {PARTITION_COLUMN}
    for name in schema.names:
        if name.lower() in seen:
            raise LakeError(f"there is more than one column {name!r}", fix="rename one; case does not count")
        seen.add(name.lower())
        if not name.isprintable() or not name:
            # A control character would end the name early in the log, and every later check would miss the column.
            raise LakeError(f"a column is called {name!r}", fix="give it a printable name")
    return pa.schema([pa.field(field.name, _storage_type(field.name, field.type)) for field in schema])


def storable(rows: pa.Table) -> pa.Table:
    """The same rows in the types under which they are stored; text that has a dictionary keeps it.

    Text that repeats costs next to nothing to write that way, and is plain text again when it is read.

    Raises:
        LakeError: a column has no counterpart, or a value would not survive the change.
    """
    stored = storage_schema(rows.schema)
    schema = pa.schema([_with_dictionary(field, kind) for field, kind in zip(stored, rows.schema.types, strict=True)])
    if rows.schema.equals(schema, check_metadata=True):
        return rows
    columns = []
    for field, column in zip(schema, rows.columns, strict=True):
        try:
            columns.append(column if column.type == field.type else column.cast(field.type))
        except pa.ArrowException as error:
            raise LakeError(
                f"column {field.name!r} cannot be stored as {field.type}: {first_line(error)}",
                fix="cast it before it is written",
            ) from error
    return pa.Table.from_arrays(columns, schema=schema)


def _with_dictionary(stored: pa.Field, given: pa.DataType) -> pa.Field:
    text = pa.types.is_dictionary(given) and stored.type == pa.string()
    return pa.field(stored.name, pa.dictionary(pa.int32(), pa.string())) if text else stored


def added_columns(stored: pa.Schema, new: pa.Schema) -> list[pa.Field]:
    """The columns of `new` that a table of schema `stored` lacks.

    A column that is there already must have the very type it had: wider values would make old readers fail or
    round, narrower files are refused by readers other than ours. `ROW_DIGEST` alone may
    be left out: readers find nulls.

    Raises:
        LakeError: a column changed its type, or vanished.
    """
    for field in new:
        if field.name in stored.names:
            had = _storage_type(field.name, stored.field(field.name).type)
            if had != field.type:
                raise LakeError(
                    f"column {field.name!r} was {had} and is now {field.type}",
                    fix="cast it, give it a new name, or move the old table away",
                )
    kept = {*new.names, PARTITION_COLUMN, ROW_DIGEST}
    gone = [name for name in stored.names if name not in kept]
    if gone:
        raise LakeError(f"column {gone[0]!r} is no longer written", fix="keep it, or move the old table away")
    return [field for field in new if field.name not in stored.names]


def _storage_type(name: str, kind: pa.DataType) -> pa.DataType:
    meaning = logical_type(name, kind)
    if pa.types.is_dictionary(kind):
        return _storage_type(name, kind.value_type)
    if meaning == "integer":
        return _SIGNED.get(kind, kind)
    if meaning == "float":
        return pa.float32() if pa.types.is_float16(kind) else kind
    if meaning == "timestamp":
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if meaning.startswith("list"):
        return pa.list_(_storage_type(name, kind.value_type))
    if meaning.startswith("decimal"):
        if kind.precision > _DECIMAL_DIGITS:
            raise LakeError(
                f"column {name!r} has {kind.precision} digits", fix=f"cast it to {_DECIMAL_DIGITS} or fewer"
            )
        return pa.decimal128(kind.precision, kind.scale)
    return {"date": pa.date32(), "string": pa.string(), "binary": pa.binary()}.get(meaning, kind)
