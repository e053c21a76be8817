"""Which texts are one query over permitted relations, and nothing else."""

from __future__ import annotations

import pytest

from batch_platform.sql.names import names_only, parsed_query, without_end

PERMITTED = {("snapshots", "flights"), ("", "late")}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "SELECT * FROM snapshots.flights AS f JOIN late USING (id)",
        'SELECT * FROM "snapshots"."flights" WHERE id IN (SELECT id FROM late)',
        "WITH a AS (SELECT * FROM late), b AS (FROM a) SELECT * FROM b, A",
        "SELECT * FROM late, LATERAL (SELECT late.id) AS x",
        "SELECT * FROM range(3) AS r(n), unnest([1, 2]) AS u(v), (VALUES (1)) AS t(x)",
        "SELECT * FROM snapshots.flights UNION ALL SELECT * FROM late; ;",
    ],
)
def test_a_query_over_what_it_may_read_passes(sql: str) -> None:
    query = parsed_query(sql)
    assert query is not None and names_only(query, PERMITTED)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM flights",
        "SELECT * FROM other.flights",
        "SELECT * FROM lake.snapshots.flights",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM late WHERE id IN (SELECT 1 FROM 'data.parquet')",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM duckdb_tables",
        # A name that the query defines does not take the place of a file, or of the catalog's own.
        "WITH \"a.csv\" AS (SELECT 1) SELECT * FROM 'a.csv'",
        "WITH pragma_x AS (SELECT 1) SELECT * FROM pragma_x",
        "WITH flights AS (SELECT 1) SELECT * FROM other.flights",
        "SELECT * FROM (DESCRIBE snapshots.flights)",
        "SELECT * FROM (SHOW TABLES)",
    ],
)
def test_whatever_else_is_named_does_not(sql: str) -> None:
    query = parsed_query(sql)
    assert query is None or not names_only(query, PERMITTED)


@pytest.mark.parametrize("sql", ["", ";", "SELECT 1; SELECT 2", "DROP TABLE late", "SELECT (", "COPY late TO 'x'"])
def test_a_text_that_is_not_one_query_is_none(sql: str) -> None:
    assert parsed_query(sql) is None


def test_only_the_semicolons_at_the_end_go() -> None:
    sql, tokens = without_end("SELECT ';' -- ;\n ; ;\n")
    assert sql == "SELECT ';' -- ;\n " and [token.text for token in tokens] == ["SELECT", ";"]
