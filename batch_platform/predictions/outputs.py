"""From features and scores to the columns of a prediction table: copied, scored, derived by SQL, traced.

Belongs here: what the output columns are and hold. Does not belong here: where scores come from (`scorer.py`), and
which SQL an output may be (`expressions.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from batch_platform.errors import first_line
from batch_platform.lake.data_file import ROW_GROUP_ROWS
from batch_platform.predictions.definition import (
    FEATURES_DIGEST,
    MODEL_DIGEST,
    MODEL_VERSION,
    ROW_DIGEST,
    Predictions,
)
from batch_platform.predictions.expressions import output_expression, wrong_output


def derive_outputs(
    predictions: Predictions, rows: pa.Table, scores: Mapping[str, pa.Array], origin: tuple[str, str, str]
) -> pa.Table:
    """Copied columns, outputs in their declared order, and where they come from.

    Args:
        predictions: the table.
        rows: the feature rows, with `ROW_DIGEST` where the table keeps it.
        scores: their scores, by the names under which they are declared.
        origin: model version, model digest, features digest.

    Raises:
        ConfigurationError: the SQL of an output is wrong.
    """
    columns: dict[str, pa.Array | pa.ChunkedArray] = {name: rows.column(name) for name in predictions.copied}
    columns |= dict(_outputs(predictions, columns, scores))
    for name, value in zip((MODEL_VERSION, MODEL_DIGEST, FEATURES_DIGEST), origin, strict=True):
        columns[name] = _constant(value, rows.num_rows)
    if predictions.reuse is not None:
        columns[ROW_DIGEST] = rows.column(ROW_DIGEST)
    return pa.table(columns)


def output_schema(predictions: Predictions) -> pa.Schema:
    """The schema of the prediction files, found by deriving the outputs of no rows."""
    names = predictions.copied
    kinds = {name: predictions.contract.column(name).arrow_type for name in names} | {ROW_DIGEST: pa.binary()}
    empty = pa.schema(list(kinds.items())).empty_table()
    nothing = {field.name: pa.array([], field.kind) for field in predictions.scores}
    found = derive_outputs(predictions, empty, nothing, ("", "", "")).schema
    return pa.schema([field.with_type(_plain_type(field.type)) for field in found])


def _outputs(
    predictions: Predictions, copied: Mapping[str, pa.ChunkedArray], scores: Mapping[str, pa.Array]
) -> Iterator[tuple[str, pa.Array]]:
    derived = predictions.derived
    frame = _frame(copied, scores, predictions) if derived else pl.DataFrame()
    for name, expression in predictions.outputs.items():
        if name not in derived:
            yield name, scores[expression]
            if derived:
                frame = frame.with_columns(_series(name, scores[expression]))
            continue
        try:
            frame = frame.with_columns(_compiled(name, expression))
        except pl.exceptions.PolarsError as error:
            raise wrong_output(name, first_line(error)) from error
        yield name, _plain(frame.get_column(name).to_arrow())


def _frame(
    copied: Mapping[str, pa.ChunkedArray], scores: Mapping[str, pa.Array], predictions: Predictions
) -> pl.DataFrame:
    """The columns that the SQL of some output names."""
    named = set[str]().union(*(_names(name, sql) for name, sql in predictions.derived.items()))
    columns = [_series(name, column) for name, column in (*copied.items(), *scores.items()) if name in named]
    height = len(next(iter(scores.values())))
    return pl.DataFrame(columns) if columns else pl.Series("rows", [None]).new_from_index(0, height).to_frame()


@cache
def _compiled(name: str, expression: str) -> pl.Expr:
    return output_expression(name, expression)


@cache
def _names(name: str, expression: str) -> frozenset[str]:
    return frozenset(_compiled(name, expression).meta.root_names())


def _series(name: str, column: pa.Array | pa.ChunkedArray) -> pl.Series:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    found = pl.from_arrow(column)
    assert isinstance(found, pl.Series)
    return found.alias(name)


@cache
def _repeated(value: str) -> pa.DictionaryArray:
    indices = pa.array([0], pa.int8()).take(pa.nulls(ROW_GROUP_ROWS, pa.int8()).fill_null(0))
    return pa.DictionaryArray.from_arrays(indices, pa.array([value], pa.string()))


def _constant(value: str, rows: int) -> pa.Array | pa.ChunkedArray:
    """A column of one text, as a dictionary with one entry: digesting and writing it costs next to nothing."""
    whole, rest = divmod(rows, ROW_GROUP_ROWS)
    if not whole:
        return _repeated(value).slice(0, rest)
    return pa.chunked_array([*[_repeated(value)] * whole, _repeated(value).slice(0, rest)])


def _plain(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Polars' views and large strings as the plain strings that the lake stores."""
    kind = _plain_type(column.type)
    return column if kind == column.type else pc.cast(column, kind)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    return pa.list_(_plain_type(kind.value_type)) if pa.types.is_large_list(kind) else kind
