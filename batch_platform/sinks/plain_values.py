"""Rows as plain values and texts, for targets that know no Arrow.

Belongs here: one spelling of each type, which all sinks share. Does not belong here: types of one target.
Moments are ISO 8601 with their distance from UTC, decimals text (JSON numbers would round them), binary base64,
and a float that is no number null.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

Encode = Callable[[Any], str]


def json_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Each row as a dictionary that JSON can hold."""
    columns = [[json_value(value) for value in column.to_pylist()] for column in batch.columns]
    names = batch.schema.names
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def json_text(value: Any) -> str:
    """The shortest JSON of a value; equal values give equal texts."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def json_value(value: Any) -> Any:
    """A value that JSON can hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [json_value(item) for item in value]
    return value


def csv_ready(batch: pa.RecordBatch, binary: Encode = json_value) -> pa.RecordBatch:
    """The batch with columns that CSV can hold: lists become JSON, binary values text by `binary`."""
    columns = [_csv_column(column, binary) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def csv_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of `csv_ready` batches."""
    return csv_ready(pa.RecordBatch.from_pylist([], schema=schema)).schema


def _csv_column(column: pa.Array, binary: Encode) -> pa.Array:
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        texts = [None if value is None else json_text(json_value(value)) for value in column.to_pylist()]
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        texts = [None if value is None else binary(value) for value in column.to_pylist()]
    else:
        return column
    return pa.array(texts, pa.string())
