"""The walls around SQL that a person wrote: no file, no network, and no setting that could open either.

Belongs here: the one way to open a DuckDB connection for such SQL. Does not belong here: what stands inside the
walls, which whoever opens the connection puts there.
"""

from __future__ import annotations

import duckdb


def walled(*statements: str, **settings: str | int | bool) -> duckdb.DuckDBPyConnection:
    """A new connection in memory, in UTC, whose walls stand before anything is put into it.

    Args:
        statements: `SET` statements that DuckDB takes only from an open connection.
        settings: further settings that it takes when it is opened.
    """
    # Without replacements a name cannot mean a variable of the Python code around the query.
    shut = {"enable_external_access": False, "python_enable_replacements": False}
    connection = duckdb.connect(":memory:", config={**settings, **shut})
    for statement in ("SET TimeZone = 'UTC'", *statements, "SET lock_configuration = true"):
        connection.execute(statement)
    return connection
