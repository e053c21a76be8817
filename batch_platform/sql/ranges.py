"""A model's query for many partitions at once, where that is safe.

In a range the rows of all partitions stand in one connection, and each partition sees its own through correlated
table macros. That hides the others only from a query that names its inputs and nothing else (`names.py`), so only
such a query runs over a range; any other runs for one partition at a time, with only that partition's rows at hand.

Belongs here: the text of such a query. Does not belong here: running it (`features/sandbox.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.tokenizer_core import Token

from batch_platform.lake.store import quote_identifier, relation
from batch_platform.partitions import Window
from batch_platform.sql.model import PLACEHOLDER, SqlModel, fill, placeholder
from batch_platform.sql.names import names_only, parsed_query, without_end

CALENDAR = "_calendar"
"""One row for each partition to be computed: its number in the order of the keys, and its window."""

NUMBER, START, END = (f"{PLACEHOLDER}{name}" for name in ("number", "window_start", "window_end"))
"""Columns of the calendar, and parameters of every table macro: what a relation shows depends on these alone."""

Rewrite = Callable[[str], str]
"""What is done with a query's text before its placeholders are filled."""


@dataclass(frozen=True)
class RangeQuery:
    """A model's query for every row of `CALENDAR`.

    Args:
        macros: statements that make a macro of each view that the model reads, in the order of need.
        body: the query for one row of the calendar.
    """

    macros: tuple[str, ...]
    body: str

    @staticmethod
    def relation_of(table: str) -> str:
        """What a stored table is to a row of the calendar, where `columns` of `text` read one."""
        return macro_call(table, [_column(name) for name in (NUMBER, START, END)])

    def text(self, columns: str = "model.*", order: Sequence[str] = ()) -> str:
        """The rows of all partitions, in the order of their numbers, which are the first column, and then of `order`.

        Args:
            columns: what is selected of the relation `model`, which holds one partition's rows.
            order: further columns to sort by, as SQL.
        """
        number = _column(NUMBER)
        rows = self.body if columns == "model.*" else f"SELECT {columns} FROM (\n{self.body}\n) AS model"
        return (
            f"SELECT {number} AS {quote_identifier(NUMBER)}, model.* FROM {CALENDAR}, LATERAL (\n{rows}\n) AS model "
            f"ORDER BY {', '.join([number, *order])}"
        )


def range_query(
    model: SqlModel, windows: Iterable[Window], views: Sequence[SqlModel] = (), rewrite: Rewrite = str
) -> RangeQuery | None:
    """The model's query for a range.

    An input becomes a call of the table macro of its name, an end of the window a column of the calendar.

    Args:
        model: the model.
        windows: those of the partitions.
        views: models that are not stored and that it reads, each after those that it reads itself.
        rewrite: what is done with each text, whose placeholders are still in it.

    Returns:
        The query, None if the model or a view cannot run so: it names more than its inputs, or its template looks
        at the window or at the name of an input instead of only writing it into the query.

    Raises:
        ConfigurationError: a template fails.
    """
    windows = list(windows)
    texts = []
    for member in (*views, model):
        marked = _marked(member, windows)
        if marked is None:
            return None
        texts.append(rewrite(marked))
    columns = [_column(name) for name in (NUMBER, START, END)]
    parameters = [quote_identifier(name) for name in (NUMBER, START, END)]
    macros = tuple(
        f"CREATE OR REPLACE MACRO {relation(view.table)}({', '.join(parameters)}) AS TABLE\n"
        f"{_called(text, view.inputs, parameters)}"
        for view, text in zip(views, texts, strict=False)
    )
    body = fill(texts[-1], dict(zip(parameters[1:], columns[1:], strict=True)))
    return RangeQuery(macros, _called(body, model.inputs, columns))


def macro_call(table: str, arguments: Sequence[str]) -> str:
    """What an input is to a row of the calendar: a relation."""
    return f"{relation(table)}({', '.join(arguments)})"


def _column(name: str) -> str:
    return f"{CALENDAR}.{quote_identifier(name)}"


def _marked(model: SqlModel, windows: Sequence[Window]) -> str | None:
    """The template's text with placeholders, without what may follow its end; None where it cannot run in a range."""
    marked = model.compile_range(windows)
    if marked is None:
        return None
    try:
        marked, tokens = without_end(marked)
    except sqlglot.errors.SqlglotError:
        return None
    query = parsed_query(marked)
    permitted = {("", f"{PLACEHOLDER}{table}") for table in model.inputs}
    if query is None or not names_only(query, permitted) or not _marks_are_names(marked, tokens):
        return None
    return marked


def _called(marked: str, inputs: Iterable[str], arguments: Sequence[str]) -> str:
    """A text whose inputs are calls of macros.

    A call has no name of its own, as a table has: where the text gives none, it gets the table's.
    """
    query = parsed_query(marked)
    names = {f"{PLACEHOLDER}{table}": table.split("/")[1] for table in inputs}
    places: dict[int, str] = {}
    for table in query.find_all(exp.Table) if query else ():
        if isinstance(table.this, exp.Identifier) and table.this.name in names and not table.alias:
            places[table.this.meta["end"] + 1] = f" AS {quote_identifier(names[table.this.name])}"
    for place in sorted(places, reverse=True):
        marked = marked[:place] + places[place] + marked[place:]
    return fill(marked, {placeholder(table): macro_call(table, arguments) for table in inputs})


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
