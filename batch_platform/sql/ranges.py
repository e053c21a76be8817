"""A model's query for many partitions at once, where that is safe.

In a range the rows of all partitions stand in one connection, and each partition sees its own through correlated
table macros. That hides the others only from a query that names its inputs and nothing else, so only such a query
runs over a range; any other runs for one partition at a time, with only that partition's rows in the connection.

Belongs here: that judgement, and the query's text. Does not belong here: running it (`sandbox.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.tokenizer_core import Token

from batch_platform.lake.store import quote_identifier
from batch_platform.partitions import Window
from batch_platform.sql.model import PLACEHOLDER, SqlModel, fill, placeholder

CALENDAR = "_calendar"
"""One row for each partition to be computed: its key, its window, and the stretch of each input it may read."""

KEY, START, END = (f"{PLACEHOLDER}{name}" for name in ("key", "window_start", "window_end"))
"""Columns of the calendar."""

_HARMLESS = (exp.Unnest, exp.GenerateSeries, exp.ExplodingGenerateSeries, exp.Subquery, exp.Values, exp.Paren)
_CATALOG = re.compile(r"(duckdb|pragma|sqlite|pg)_|.*/")  # names that mean something where a query does not define them


def first_and_last(table: str) -> tuple[str, str]:
    """The calendar's columns that hold the first and the last partition of an input that a partition may see."""
    return f"{PLACEHOLDER}first:{table}", f"{PLACEHOLDER}last:{table}"


def range_query(model: SqlModel, windows: Iterable[Window]) -> str | None:
    """The model's rows for every row of `CALENDAR`, in the order of the keys; the key is the first column.

    An input becomes a call of the table macro of its name with the stretch that the calendar's row permits, an end
    of the window a column of the calendar.

    Returns:
        The query, None if the model cannot run so: it names more than its inputs, or its template looks at the
        window or at the name of an input instead of only writing it into the query.

    Raises:
        ConfigurationError: the template fails.
    """
    marked = model.compile_range(windows)
    if marked is None:
        return None
    try:
        tokens = sqlglot.tokenize(marked, read="duckdb")
        while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
            marked = marked[: tokens.pop().start]
        statements = sqlglot.parse(marked, read="duckdb")
    except sqlglot.errors.SqlglotError:
        return None
    only = statements[0] if len(statements) == 1 else None
    marks = {f"{PLACEHOLDER}{table}" for table in model.inputs}
    if not isinstance(only, exp.Query) or not _names_only(only, marks) or not _marks_are_names(marked, tokens):
        return None
    values = {placeholder(table): macro_call(table) for table in model.inputs}
    values |= {quote_identifier(name): _column(name) for name in (START, END)}
    return (
        f"SELECT {_column(KEY)} AS {quote_identifier(KEY)}, model.* "
        f"FROM {CALENDAR}, LATERAL (\n{fill(marked, values)}\n) AS model ORDER BY {_column(KEY)}"
    )


def macro_call(table: str) -> str:
    """What an input's partitions are to a row of the calendar: a relation."""
    relation = ".".join(quote_identifier(part) for part in table.split("/"))
    return f"{relation}({', '.join(_column(name) for name in first_and_last(table))})"


def _column(name: str) -> str:
    return f"{CALENDAR}.{quote_identifier(name)}"


def _names_only(query: exp.Query, marks: set[str]) -> bool:
    """Whether a query's every relation is one of these names, or defined in the query itself."""
    own = {cte.alias_or_name.lower() for cte in query.find_all(exp.CTE)}
    own = {name for name in own if not _CATALOG.match(name)}
    for place in query.find_all(exp.From, exp.Join, exp.Lateral):
        if not isinstance(place.this, (exp.Table, exp.Lateral, *_HARMLESS)):
            return False
    for table in query.find_all(exp.Table):
        source = table.this
        if isinstance(source, _HARMLESS):
            continue
        if not isinstance(source, exp.Identifier) or table.db or table.catalog:
            return False
        if source.name not in marks and source.name.lower() not in own:
            return False
    return query.find(exp.Command, exp.Describe, exp.Show, exp.Summarize, exp.Pragma) is None


def _marks_are_names(marked: str, tokens: Iterable[Token]) -> bool:
    """Whether every placeholder is a name of its own and nothing else is called like the calendar.

    In a literal, for one, a placeholder would say something else for a range than for a partition. In a comment it
    says nothing.
    """
    names = comments = 0
    for token in tokens:
        comments += sum(text.count(f'"{PLACEHOLDER}') for text in token.comments)
        names += token.token_type == TokenType.IDENTIFIER and token.text.startswith(PLACEHOLDER)
    return names + comments == marked.count(PLACEHOLDER) and CALENDAR not in marked.lower()
