"""Whether a model's query may run for many partitions at once.

In a range the rows of all partitions stand in one connection, and each partition sees its own through correlated
table macros. That hides the others only from a query that names its inputs and nothing else, so only such a query
runs over a range; any other runs for one partition at a time, with only that partition's rows in the connection.

Belongs here: that judgement. Does not belong here: running a query (`inputs.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlglot
from sqlglot import exp

_HARMLESS = (exp.Unnest, exp.GenerateSeries, exp.ExplodingGenerateSeries)
_VOLATILE = {"random", "uuid", "gen_random_uuid", "nextval", "query", "query_table"}


def names_only_its_inputs(sql: str, inputs: Iterable[str]) -> bool:
    """Whether a query's every relation is a call of one of its inputs' macros, or defined in the query itself.

    Args:
        sql: the query for a range (`SqlModel.compile_range`).
        inputs: the tables that the model reads, as `stage/name`.
    """
    try:
        statements = sqlglot.parse(sql, read="duckdb")
    except sqlglot.errors.SqlglotError:
        return False
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        return False
    query, macros = statements[0], set(inputs)
    own = {cte.alias_or_name for cte in query.find_all(exp.CTE)}
    called = set()
    for table in query.find_all(exp.Table):
        source = table.this
        if isinstance(source, exp.Anonymous) and table.db and not table.catalog:
            called.add(f"{table.db}/{source.name}")
        elif (isinstance(source, exp.Func) and not isinstance(source, _HARMLESS)) or (
            isinstance(source, exp.Identifier) and (table.db or table.name not in own)
        ):
            return False
    calls = {str(call.name).lower() for call in query.find_all(exp.Anonymous)}
    return called <= macros and not calls & _VOLATILE and query.find(exp.Rand, exp.Uuid) is None
