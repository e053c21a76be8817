"""The text of a user's query: one statement that only reads, with known parameters.

Belongs here: what a text alone tells. Does not belong here: running it; the transaction in which it runs is read-only
whatever the text says (`sql_session.py`).
"""

from __future__ import annotations

import re

import sqlalchemy as sa
import sqlglot
from sqlglot import TokenType
from sqlglot.errors import SqlglotError

PARAMETERS = ("start", "end", "partition_key")
"""What a query may ask for: the window's bounds, and the partition's key."""

_BEGINNINGS = (TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN, TokenType.VALUES)


def parameters_of(query: str) -> list[str]:
    """The names after a colon in a query, in their order; `::` is a cast, and `\\:` a colon."""
    return list(sa.text(query)._bindparams)


def refuse_query(query: str) -> None:
    """Refuse what is more or less than one SELECT with known parameters.

    Raises:
        ValueError: it is.
    """
    try:
        tokens = sqlglot.tokenize(query, read="postgres")
    except SqlglotError:
        tokens = []
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    if not tokens:
        raise ValueError("the query has no statement, or a quote in it is never closed")
    if any(token.token_type == TokenType.SEMICOLON for token in tokens):
        raise ValueError("the query has more than one statement; expected one SELECT")
    if tokens[0].token_type not in _BEGINNINGS:
        raise ValueError(f"the query begins with {tokens[0].text[:20]!r}; expected one SELECT")
    if before_cast := re.search(r"(?<![:\w\\]):(\w+)::", query):
        raise ValueError(f"a parameter cannot stand before ::; write CAST(:{before_cast[1][:40]} AS ...)")
    unknown = [name for name in parameters_of(query) if name not in PARAMETERS]
    if unknown:
        raise ValueError(
            f"unknown parameter :{unknown[0][:40]}; expected :{', :'.join(PARAMETERS)} (a colon in a text is \\:)"
        )
