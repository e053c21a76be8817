"""Rows that have Arrow types already, cast to those that are declared or that the lake has, where nothing is lost.

Belongs here: casting between types of one kind. Does not belong here: text (`conversion.py`), or where rows come from.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from batch_platform.errors import SourceError
from batch_platform.snapshots.conversion import Convert, converted, extra_columns, plain_schema, shortened
from batch_platform.snapshots.source_spec import SourceSpec


def typed(schema: pa.Schema, batches: Iterable[Any], spec: SourceSpec, shown: str) -> tuple[pa.Table, list[str]]:
    """Batches of one schema as a table, and the columns that `spec` does not declare.

    Raises:
        SourceError: a declared column is missing or of another kind, a type has no place in the lake, or a value would
            lose something.
    """
    extra = extra_columns(schema.names, spec, shown, holder="source")
    kinds = spec.column_types
    if kinds is None:
        kinds = {field.name: field.type for field in plain_schema(schema, shown)}
    for name, kind in kinds.items():
        refuse_other_family(name, schema.field(name).type, kind, spec, shown)
    return gathered(batches, kinds, spec, lossless, shown), extra


def gathered(
    batches: Iterable[Any], kinds: dict[str, pa.DataType], spec: SourceSpec, convert: Convert, shown: str
) -> pa.Table:
    """Batches with the columns of `kinds`, each converted, as one table.

    Raises:
        SourceError: a value cannot be converted.
    """
    found: list[Any] = []
    rows = 0
    for batch in batches:
        found.append(converted(batch, kinds, spec, convert, shown, rows))
        rows += batch.num_rows
    return pa.Table.from_batches(found, pa.schema(list(kinds.items())))


def of_one_family(found: pa.DataType, kind: pa.DataType) -> bool:
    """Whether values of the type that a file has may become values of another at all."""
    return pa.types.is_null(found) or _family(found) == _family(kind)


def _family(kind: Any) -> str:
    """The kind of a type, within which values may be cast; a type of no family is its own."""
    is_ = pa.types
    if is_.is_dictionary(kind):
        return _family(kind.value_type)
    if is_.is_integer(kind) or is_.is_floating(kind) or is_.is_decimal(kind):
        return "number"
    if is_.is_date(kind) or (is_.is_timestamp(kind) and kind.tz is None):
        return "time without zone"
    if is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind):
        return "text"
    if is_.is_binary(kind) or is_.is_large_binary(kind):
        return "text"
    return "time with zone" if is_.is_timestamp(kind) else str(kind)


def refuse_other_family(name: str, found: pa.DataType, kind: pa.DataType, spec: SourceSpec, shown: str) -> None:
    """Refuse a declared column whose type is of another kind than its declaration.

    Raises:
        SourceError: it is.
    """
    if spec.columns is not None and not of_one_family(found, kind):
        raise SourceError(
            f"column {name!r} is {shortened(str(found))}; expected {spec.columns[name]}",
            where=shown,
            fix="declare the type that the file has, and convert in a feature",
        )


def lossless(values: Any, kind: pa.DataType) -> Any:
    """Values cast to a type of the same family; see `Convert`."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_string(kind):
        # Parquet readers take text as it is; only the cast from binary checks that it is UTF-8.
        if pa.types.is_string_view(values.type):
            values = pc.cast(values, pa.large_string())
        values = pc.cast(values, pa.large_binary() if pa.types.is_large_string(values.type) else pa.binary())
    if pa.types.is_integer(values.type) and pa.types.is_decimal(kind):
        # Arrow judges an integer by its type's widest value unless it is a wide decimal first.
        return pc.cast(pc.cast(values, pa.decimal128(38, min(kind.scale, 18))), kind)
    if pa.types.is_null(values.type):
        return pc.cast(values, kind)
    converted = pc.cast(values, kind)
    # Arrow rounds on these two ways without a word; what comes back the same has lost nothing.
    rounding = any(is_(values.type) != is_(kind) for is_ in (pa.types.is_decimal, pa.types.is_date))
    if rounding and not pc.all(pc.equal(pc.cast(converted, values.type), values)).as_py():
        raise pa.ArrowInvalid("rounded")
    return converted
