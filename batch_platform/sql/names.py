"""Whether a query names the relations that it may and nothing else: no file, no catalog, no function that reads.

Belongs here: that judgement, on the text. Does not belong here: what the relations are.
"""

from __future__ import annotations

import re
from collections.abc import Set

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.tokenizer_core import Token

Name = tuple[str, str]
"""Schema and name of a relation; the schema is empty where none is written."""

_HARMLESS = (exp.Unnest, exp.GenerateSeries, exp.ExplodingGenerateSeries, exp.Subquery, exp.Values, exp.Paren)
# Names that mean something where a query does not define them: the catalog's, and those of files.
_TAKEN = re.compile(r"(duckdb|pragma|sqlite|pg)_|.*[./\\:]", re.DOTALL)


def without_end(sql: str) -> tuple[str, list[Token]]:
    """A statement without the semicolons at its end, and its tokens.

    Raises:
        sqlglot.errors.SqlglotError: the text has no tokens.
    """
    tokens = sqlglot.tokenize(sql, read="duckdb")
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        sql = sql[: tokens.pop().start]
    return sql, tokens


def parsed_query(sql: str) -> exp.Query | None:
    """The one query that a text is; None for anything else."""
    try:
        statements = sqlglot.parse(without_end(sql)[0], read="duckdb")
    except sqlglot.errors.SqlglotError:
        return None
    found = [statement for statement in statements if statement is not None]
    only = found[0] if len(found) == 1 else None
    return only if isinstance(only, exp.Query) else None


def names_only(query: exp.Query, permitted: Set[Name]) -> bool:
    """Whether a query's every relation is one of these, or defined in the query itself."""
    own = {cte.alias_or_name.lower() for cte in query.find_all(exp.CTE)}
    own = {name for name in own if not _TAKEN.match(name)}
    for place in query.find_all(exp.From, exp.Join, exp.Lateral):
        if not isinstance(place.this, (exp.Table, exp.Lateral, *_HARMLESS)):
            return False
    for table in query.find_all(exp.Table):
        source = table.this
        if isinstance(source, _HARMLESS):
            continue
        if not isinstance(source, exp.Identifier) or table.catalog:
            return False
        if (table.db, source.name) not in permitted and (table.db or source.name.lower() not in own):
            return False
    return query.find(exp.Command, exp.Describe, exp.Show, exp.Summarize, exp.Pragma) is None
