"""Which SQL depends on more than its inputs: on the clock, on chance, on the state of the connection.

Such SQL gives another result when it runs again, so it is refused before it runs once.

Belongs here: finding it, in DuckDB's dialect. Does not belong here: what else a query may do (`sandbox.py`).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import sqlglot
from sqlglot import TokenType
from sqlglot.tokenizer_core import Token

from batch_platform.errors import ConfigurationError, first_line

# These read the clock without parentheses.
_BARE = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})
# `query` and its like run a text that nobody has judged; the others change with the library or the machine.
_ALSO = frozenset({"query", "json_execute_serialized_sql", "version", "pragma_version", "pragma_platform"})
_ALSO |= {"duckdb_settings", "duckdb_memory", "duckdb_temporary_files", "duckdb_secrets", "duckdb_extensions"}
FIX = "use columns of the inputs, or window.start and window.end"


def refuse_volatile(sql: str, where: str) -> None:
    """Refuse SQL that reads the clock, chance or the connection's state.

    Args:
        sql: text in DuckDB's dialect: a query, or an expression.
        where: the file it stands in; the line within `sql` is added.

    Raises:
        ConfigurationError: at `where:line`, naming the first such word; or the text is not SQL.
    """
    found = first_volatile(sql, where)
    if found:
        word, line = found
        raise ConfigurationError(f"{word} gives another result each time", where=f"{where}:{line}", fix=FIX)


def first_volatile(sql: str, where: str) -> tuple[str, int] | None:
    """The first word that makes the result depend on more than the inputs, and its line; None without such a word.

    A function counts where it is called, so that a column may have its name; the words for the present time count
    wherever they stand unquoted; `age` counts with one argument, as it then counts up to today.

    Raises:
        ConfigurationError: at `where`: the text is not SQL.
    """
    try:
        return _first_volatile(sql)
    except sqlglot.errors.SqlglotError as error:
        raise ConfigurationError(f"is not SQL: {first_line(error)}", where=where) from None


# A model's text is looked at when it is read and again when it is compiled.
@functools.lru_cache(maxsize=1024)
def _first_volatile(sql: str) -> tuple[str, int] | None:
    tokens = sqlglot.tokenize(sql, read="duckdb")
    for place, token in enumerate(tokens):
        if _is_volatile(tokens, place):
            return token.text.lower(), token.line
    return None


def _is_volatile(tokens: Sequence[Token], place: int) -> bool:
    token, word = tokens[place], tokens[place].text.lower()
    if token.token_type == TokenType.STRING:
        return False
    before = tokens[place - 1] if place else None
    if word in _BARE and token.token_type != TokenType.IDENTIFIER:
        return before is None or before.token_type != TokenType.DOT
    if word in ("sample", "tablesample"):
        return word == "tablesample" or (before is not None and before.text.lower() == "using")
    if place + 1 == len(tokens) or tokens[place + 1].token_type != TokenType.L_PAREN:
        return False
    return word in _functions() or (word == "age" and not _several_arguments(tokens, place + 2))


def _several_arguments(tokens: Sequence[Token], start: int) -> bool:
    """Whether a call whose first argument begins at `start` has a second one."""
    depth = 0
    for token in tokens[start:]:
        if token.token_type == TokenType.COMMA and depth == 0:
            return True
        depth += token.token_type in (TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE)
        depth -= token.token_type in (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE)
        if depth < 0:
            break
    return False


@functools.cache
def _functions() -> frozenset[str]:
    """DuckDB's functions that depend on more than their arguments."""
    import duckdb

    query = (
        "select distinct lower(function_name) from duckdb_functions() "
        "where stability <> 'CONSISTENT' or macro_definition like '%current_timestamp%'"
    )
    with duckdb.connect() as connection:
        return _ALSO | _BARE | {name for (name,) in connection.execute(query).fetchall()}
