"""One Parquet file as a table: values are cast where nothing is lost, between types of one kind.

No reader's error is passed on, since it may quote values. Checks that all formats share are in
`conversion.py`.
"""

from __future__ import annotations

from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from batch_platform.errors import SourceError
from batch_platform.snapshots.conversion import converted, extra_columns, plain_schema, shortened
from batch_platform.snapshots.sources import SourceSpec

_BATCH_ROWS = 1 << 16


def read_parquet(file: BinaryIO, shown: str, spec: SourceSpec) -> tuple[pa.Table, list[str]]:
    """The table of a Parquet file and the columns that `spec` does not declare; `shown` is its path in messages.

    Without declared columns, each type becomes the one that stands for it in the lake.

    Raises:
        SourceError: the file is damaged, a column is of another kind, or a value would lose something.
    """
    try:
        parquet = pq.ParquetFile(file, coerce_int96_timestamp_unit="us")
        schema = parquet.schema_arrow
        extra = extra_columns(schema.names, spec, shown)
        kinds = spec.column_types
        if kinds is None:
            kinds = {field.name: field.type for field in plain_schema(schema, shown)}
        for name, kind in kinds.items():
            _refuse_other_family(name, schema.field(name).type, kind, spec, shown)
        batches: list[Any] = []
        rows = 0
        for batch in parquet.iter_batches(_BATCH_ROWS, columns=list(kinds), use_threads=False):
            batches.append(converted(batch, kinds, spec, _lossless, shown, rows))
            rows += batch.num_rows
    except (pa.ArrowException, OSError):
        raise SourceError(
            "truncated, damaged or no Parquet file",
            where=shown,
            # Arrow cannot read these back, so they look like damage.
            fix="deliver the file again; lists of fixed size must hold no nulls",
        ) from None
    return pa.Table.from_batches(batches, pa.schema(list(kinds.items()))), extra


def parquet_footer(file: BinaryIO, shown: str) -> tuple[pa.Schema, int]:
    """The schema of a Parquet file and its number of rows; nothing but its footer is read.

    Raises:
        SourceError: it has none.
    """
    try:
        parquet = pq.ParquetFile(file, coerce_int96_timestamp_unit="us")
        return parquet.schema_arrow, parquet.metadata.num_rows
    except (pa.ArrowException, OSError):
        raise SourceError("truncated, damaged or no Parquet file", where=shown, fix="deliver the file again") from None


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


def _refuse_other_family(name: str, found: pa.DataType, kind: pa.DataType, spec: SourceSpec, shown: str) -> None:
    if spec.columns is not None and not of_one_family(found, kind):
        raise SourceError(
            f"column {name!r} is {shortened(str(found))}; expected {spec.columns[name]}",
            where=shown,
            fix="declare the type that the file has, and convert in a feature",
        )


def _lossless(values: Any, kind: pa.DataType) -> Any:
    """Values cast to a type of the same family; see `Convert`."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_string(kind):
        # Parquet readers take text as it is; only the cast from binary checks that it is UTF-8.
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
