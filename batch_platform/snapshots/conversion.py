"""Strict conversion: what files of all formats have in common once they are parsed.

The names of a file's columns are checked, its types brought to those of the lake, and every value either
becomes exactly what its column declares or stops the read with file, row and column: nothing is coerced or
dropped. Messages show at most 40 characters of a value. How one format is parsed is in its own module.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from batch_platform.errors import SourceError
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.snapshots.source_spec import SourceSpec

_SHOWN_CHARACTERS = 40

Convert = Callable[[Any, pa.DataType], Any]
"""Casts an Arrow array to a type, or raises `pa.ArrowInvalid` if any value would not survive."""


def refuse_unusable_names(names: list[str], shown: str) -> None:
    """Refuse the columns of a file for their names.

    Raises:
        SourceError: a name is reserved or appears more than once.
    """
    folded = Counter(name.casefold() for name in names)
    for name in names:
        if folded[name.casefold()] > 1:
            raise SourceError(
                f"the column {shortened(name)!r} appears more than once (upper and lower case are the same)",
                where=shown,
                fix="rename one of them",
            )
        if name.casefold() in (SOURCE_FILE, SOURCE_ROW):
            raise SourceError(f"the column name {name!r} is reserved", where=shown, fix="rename it")


def extra_columns(names: list[str], spec: SourceSpec, shown: str, holder: str = "file") -> list[str]:
    """The columns that are not declared, once the names prove usable and the declared ones are all there.

    Raises:
        SourceError: a name is reserved or appears more than once, or a declared column is missing.
    """
    refuse_unusable_names(names, shown)
    if spec.columns is None:
        return []
    missing = [name for name in spec.columns if name not in names]
    if missing:
        raise SourceError(
            f"missing column {listed(missing)}; the {holder} has {listed(names)}",
            where=shown,
            fix="check the header line, the delimiter and `columns`" if holder == "file" else "check `columns`",
        )
    return [name for name in names if name not in spec.columns]


def plain_schema(schema: pa.Schema, shown: str) -> pa.Schema:
    """The schema with each type replaced by the one that stands for it in the lake.

    Raises:
        SourceError: a column's type has none.
    """
    fields = []
    for field in schema:
        try:
            fields.append((field.name, _plain(field.type)))
        except TypeError:
            raise SourceError(
                f"column {shortened(field.name)!r} has the unsupported type {shortened(str(field.type))}",
                where=shown,
                fix="flatten or convert it, or leave it out by declaring `columns`",
            ) from None
    return pa.schema(fields)


def _plain(kind: Any) -> pa.DataType:
    """The type that stands for `kind` in the lake; TypeError where none does without loss."""
    is_ = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(kind.storage_type)
    if is_.is_dictionary(kind):
        return _plain(kind.value_type)
    if is_.is_list(kind) or is_.is_large_list(kind) or is_.is_fixed_size_list(kind):
        return pa.list_(_plain(kind.value_type))
    if is_.is_timestamp(kind):
        return pa.timestamp("us", tz="UTC" if kind.tz else None)
    if is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind):
        return pa.string()
    if is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_fixed_size_binary(kind):
        return pa.binary()
    if is_.is_unsigned_integer(kind):
        return pa.int64() if kind.bit_width >= 32 else pa.int32()
    if is_.is_decimal(kind) and kind.precision <= 38:
        return pa.decimal128(kind.precision, kind.scale)
    if is_.is_date(kind):
        return pa.date32()
    if is_.is_float16(kind):
        return pa.float32()
    if is_.is_integer(kind) or is_.is_floating(kind) or is_.is_boolean(kind) or is_.is_null(kind):
        return kind
    raise TypeError(str(kind))


def converted(
    batch: Any,
    kinds: dict[str, pa.DataType],
    spec: SourceSpec,
    convert: Convert,
    shown: str,
    rows_before: int,
) -> Any:
    """A record batch with the columns of `kinds`, each converted; `rows_before` of the file came before it.

    Raises:
        SourceError: a value cannot be converted; the first such value of its column is named with its place.
    """
    arrays = []
    for name, kind in kinds.items():
        values = batch.column(name)
        try:
            arrays.append(convert(values, kind))
        except pa.ArrowException:
            index = _first_failing(values, kind, convert)
            raise SourceError(
                f"{_value(values[index])} is not {spec.columns[name] if spec.columns else kind}",
                where=f"{shown}, row {rows_before + index + 1}, column {name!r}",
                fix="correct the input or the declared type",
            ) from None
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(list(kinds.items())))


def parsed(text: Any, kind: pa.DataType) -> Any:
    """Text as values of a type; refuses what Arrow takes but would not write: 0x1F, and numbers that overflow.

    Raises:
        pa.ArrowInvalid: some text is no such value.
    """
    if pa.types.is_integer(kind) and pc.any(pc.match_substring(text, "x", ignore_case=True)).as_py():
        raise pa.ArrowInvalid("hexadecimal")
    values = pc.cast(text, kind)
    if pa.types.is_floating(kind):
        overflown = pc.and_(pc.is_inf(values), pc.match_substring_regex(text, "[0-9]"))
        if pc.any(overflown).as_py():
            raise pa.ArrowInvalid("beyond the range of a double")
    return values


def _first_failing(values: Any, kind: pa.DataType, convert: Convert) -> int:
    """Index of the first value that `convert` refuses, by bisection; at least one value must be refused."""
    good, bad = 0, len(values)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            convert(values.slice(good, middle - good), kind)
            good = middle
        except pa.ArrowException:
            bad = middle
    return good


def _value(scalar: Any) -> str:
    try:
        value = scalar.as_py()
    except UnicodeDecodeError:
        value = bytes(scalar.as_buffer()).decode(errors="backslashreplace")
    return repr(shortened(value)) if isinstance(value, str) else shortened(str(value))


def shortened(text: str) -> str:
    """Text as messages show it: cut after 40 characters, since it may be data."""
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def listed(names: list[str]) -> str:
    """Names as messages list them, at most ten."""
    shown = ", ".join(repr(shortened(name)) for name in names[:10])
    return shown + (f" and {len(names) - 10} more" if len(names) > 10 else "")
