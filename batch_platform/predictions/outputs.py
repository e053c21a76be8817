"""From features and scores to the columns of a prediction table: copied, scored, derived by SQL, traced.

Belongs here: what the output columns are and hold. Does not belong here: where scores come from (`scorer.py`).
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import sqlglot
from sqlglot import exp

from batch_platform.errors import ConfigurationError, first_line
from batch_platform.predictions.definition import FEATURES_DIGEST, MODEL_DIGEST, MODEL_VERSION, SCORE, Predictions

_ROW_WISE = frozenset({
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren,
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In, exp.Is, exp.Like, exp.ILike,
    exp.And, exp.Or, exp.Not, exp.Case, exp.If, exp.Coalesce, exp.Nullif,
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg,
    exp.Round, exp.Abs, exp.Floor, exp.Ceil, exp.Least, exp.Greatest,
    exp.Lower, exp.Upper, exp.DPipe, exp.Concat, exp.Cast, exp.DataType,
})  # fmt: skip
"""What an output may be made of: each computes a row's value from that row alone."""

_PLAIN_TYPES = frozenset({
    exp.DataType.Type.BOOLEAN, exp.DataType.Type.SMALLINT, exp.DataType.Type.INT, exp.DataType.Type.BIGINT,
    exp.DataType.Type.FLOAT, exp.DataType.Type.DOUBLE, exp.DataType.Type.TEXT, exp.DataType.Type.VARCHAR,
    exp.DataType.Type.DATE,
})  # fmt: skip


def derive_outputs(
    predictions: Predictions,
    rows: pa.Table,
    scores: np.ndarray,
    origin: tuple[str, str, str],
) -> pa.Table:
    """Copied columns, outputs in their declared order, and where they come from.

    Args:
        predictions: the table.
        rows: the feature rows.
        scores: their scores.
        origin: model version, model digest, features digest.

    Raises:
        ConfigurationError: the SQL of an output is wrong.
    """
    frame = pl.DataFrame(pl.from_arrow(rows.select(predictions.copied)))
    for name, expression in predictions.outputs.items():
        if expression == SCORE:
            frame = frame.with_columns(pl.Series(name, scores))
        else:
            try:
                frame = frame.with_columns(output_expression(name, expression))
            except pl.exceptions.PolarsError as error:
                raise _wrong_output(name, first_line(error)) from error
    constants = zip((MODEL_VERSION, MODEL_DIGEST, FEATURES_DIGEST), origin, strict=True)
    return _plain(frame.with_columns(pl.lit(value).alias(name) for name, value in constants).to_arrow())


def output_schema(predictions: Predictions) -> pa.Schema:
    """The schema of the prediction files, found by deriving the outputs of no rows."""
    names = predictions.copied
    empty = pa.schema([pa.field(name, predictions.contract.column(name).arrow_type) for name in names]).empty_table()
    return derive_outputs(predictions, empty, np.empty(0, np.float32), ("", "", "")).schema


def output_expression(name: str, expression: str) -> pl.Expr:
    """A derived output column, from SQL over the columns before it.

    Raises:
        ConfigurationError: the SQL cannot be parsed, or holds anything but what is known to compute a row's value
            from that row alone: else it could depend on the shard or on the time.
    """
    try:
        found = pl.sql_expr(expression)
        tree = sqlglot.parse_one(expression)
    except (pl.exceptions.PolarsError, sqlglot.errors.SqlglotError) as error:
        raise _wrong_output(name, first_line(error)) from error
    for node in tree.walk():
        if type(node) not in _ROW_WISE or (type(node) is exp.DataType and node.this not in _PLAIN_TYPES):
            shown = node.name if isinstance(node, exp.Anonymous) else node.sql()
            raise _wrong_output(name, f"{expression!r} may not hold {shown}")
    return found.alias(name)


def _wrong_output(name: str, reason: str) -> ConfigurationError:
    return ConfigurationError(f"output {name!r}: {reason}", fix="write one SQL expression over the columns before it")


def _plain(table: pa.Table) -> pa.Table:
    """Polars' views and large strings as the plain strings that the lake stores."""
    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        textual = pa.types.is_large_string(field.type) or pa.types.is_string_view(field.type)
        columns.append(pc.cast(column, pa.string()) if textual else column)
    return pa.table(dict(zip(table.column_names, columns, strict=True)))
