"""The walls around SQL that a person wrote: no file, no network, and no setting that could open either.

Belongs here: the one way to open a DuckDB connection for such SQL, and to take a text as one query. Does not belong
here: what stands inside the walls, which whoever opens the connection puts there, and how much memory there is
(`resources.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb

from batch_platform.errors import ConfigurationError


def walled(
    *statements: str, files: Iterable[Path] = (), spill: Path | None = None, **settings: str | int | bool
) -> duckdb.DuckDBPyConnection:
    """A new connection in memory, in UTC, whose walls stand before anything is put into it.

    Args:
        statements: `SET` statements that DuckDB takes only from an open connection.
        files: the only files that it may open, and then also write to: for queries alone that name no file.
        spill: a folder for rows that do not fit into memory; it is made when it is needed and gone when the
            connection is closed. None keeps all rows in memory.
        settings: further settings that it takes when it is opened.
    """
    # Without replacements a name cannot mean a variable of the Python code around the query.
    shut: dict[str, str | int | bool] = {"python_enable_replacements": False, "temp_directory": str(spill or "")}
    connection = duckdb.connect(":memory:", config={**settings, **shut})
    allowed = ", ".join(quote_text(str(path)) for path in files)
    for statement in (
        f"SET allowed_paths = [{allowed}]",
        "SET enable_external_access = false",
        "SET TimeZone = 'UTC'",
        "SET enable_progress_bar = false",
        *statements,
        "SET lock_configuration = true",
    ):
        connection.execute(statement)
    return connection


def one_select(connection: duckdb.DuckDBPyConnection, sql: str, where: str) -> duckdb.Statement:
    """The statement that a text is; any other could change what the next one sees.

    Args:
        connection: whose dialect it is.
        sql: the text.
        where: its file.

    Raises:
        ConfigurationError: it is not one SELECT.
        duckdb.Error: it is no SQL.
    """
    statements = connection.extract_statements(sql)
    if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
        raise ConfigurationError("the model is not one SELECT statement", where=where, fix="write one query")
    return statements[0]


def quote_text(value: str) -> str:
    """A text as a SQL literal that cannot end early."""
    return "'" + value.replace("'", "''") + "'"
