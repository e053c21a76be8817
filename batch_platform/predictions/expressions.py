"""Which SQL an output of a prediction table may be: what gives a row's value from that row alone.

Belongs here: refusing all other SQL, and turning the rest into an expression of polars. Does not belong here: the
columns that come of it (`outputs.py`).
"""

from __future__ import annotations

import polars as pl
import sqlglot
from sqlglot import exp

from batch_platform.errors import ConfigurationError, first_line

_ROW_WISE = frozenset({
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren,
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In, exp.Is, exp.Like, exp.ILike,
    exp.And, exp.Or, exp.Not, exp.Case, exp.If, exp.Coalesce, exp.Nullif,
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg,
    exp.Round, exp.Abs, exp.Floor, exp.Ceil, exp.Least, exp.Greatest, exp.Exp, exp.Ln, exp.Pow, exp.Sqrt,
    exp.Lower, exp.Upper, exp.DPipe, exp.Concat, exp.Cast, exp.DataType,
})  # fmt: skip
"""What an output may be made of: each computes a row's value from that row alone."""

_PLAIN_TYPES = frozenset({
    exp.DataType.Type.BOOLEAN, exp.DataType.Type.SMALLINT, exp.DataType.Type.INT, exp.DataType.Type.BIGINT,
    exp.DataType.Type.FLOAT, exp.DataType.Type.DOUBLE, exp.DataType.Type.TEXT, exp.DataType.Type.VARCHAR,
    exp.DataType.Type.DATE,
})  # fmt: skip


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
        raise wrong_output(name, first_line(error)) from error
    for node in tree.walk():
        if type(node) not in _ROW_WISE or (type(node) is exp.DataType and node.this not in _PLAIN_TYPES):
            shown = node.name if isinstance(node, exp.Anonymous) else node.sql()
            raise wrong_output(name, f"{expression!r} may not hold {shown}")
    return found.alias(name)


def wrong_output(name: str, reason: str) -> ConfigurationError:
    return ConfigurationError(f"output {name!r}: {reason}", fix="write one SQL expression over the columns before it")
