"""Predicting in batches of one size, for models whose bits may depend on how many rows they are given.

Belongs here: cutting rows into batches, padding the last, plain texts, joining what the batches gave. Does not
belong here: what the parts mean (`scores.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from batch_platform.errors import ModelError
from batch_platform.models.runtimes.base import Raw


def in_batches(predict: Callable[[pa.RecordBatch], Raw], rows: pa.RecordBatch, batch_rows: int, *, padded: bool) -> Raw:
    """What a model gives for any number of rows, asked for `batch_rows` at a time.

    Args:
        predict: the model.
        rows: the rows, at least one.
        batch_rows: rows of a batch.
        padded: whether the last batch is filled up, with its own last row: a row that the model is known to take.

    Raises:
        ModelError: the model does not give one entry for each row.
    """
    return joined([_entire(predict, part, batch_rows, padded) for part in cut(rows, batch_rows)])


def cut(rows: pa.RecordBatch, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """The rows, `batch_rows` at a time."""
    for start in range(0, rows.num_rows, batch_rows):
        yield rows.slice(start, batch_rows)


def with_plain_text(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows for code that knows nothing of dictionaries: as encoded, pandas would make categories of texts."""
    for place, field in enumerate(rows.schema):
        if pa.types.is_dictionary(field.type):
            rows = rows.set_column(place, field.name, rows.column(place).dictionary_decode())
    return rows


def joined(parts: Sequence[Raw]) -> Raw:
    """What was given for several batches as if it had been given for all at once."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if isinstance(first, Mapping):
        return {name: joined([part[name] for part in parts]) for name in first}
    if isinstance(first, np.ndarray):
        return np.concatenate(parts)
    if _of_pandas(first):
        return sys.modules["pandas"].concat(parts, ignore_index=True)
    return [value for part in parts for value in part]


def _entire(predict: Callable[[pa.RecordBatch], Raw], part: pa.RecordBatch, batch_rows: int, padded: bool) -> Raw:
    rows = part.num_rows
    if not padded or rows == batch_rows:
        return _first(predict(part), rows, rows)
    places = np.minimum(np.arange(batch_rows), rows - 1)
    return _first(predict(part.take(pa.array(places))), rows, batch_rows)


def _first(raw: Raw, rows: int, given: int) -> Raw:
    """The first `rows` entries of what a model gave for `given` rows."""
    if isinstance(raw, Mapping):
        return {name: _first(values, rows, given) for name, values in raw.items()}
    if not hasattr(raw, "__len__") or getattr(raw, "shape", None) == ():
        raise _not_one_each(f"a single {type(raw).__name__}", given)
    if len(raw) != given:
        raise _not_one_each(f"{len(raw)} entries", given)
    if rows == given:
        return raw
    return raw.iloc[:rows] if _of_pandas(raw) else raw[:rows]


def _not_one_each(found: str, given: int) -> ModelError:
    return ModelError(
        f"the model gave {found} for {given} rows", fix="a model must give one entry for each row, in their order"
    )


def _of_pandas(raw: Any) -> bool:
    pandas = sys.modules.get("pandas")  # who never imported it cannot have made a frame
    return pandas is not None and isinstance(raw, pandas.DataFrame | pandas.Series)
