"""The text of a query: one SELECT with known parameters."""

from __future__ import annotations

import pytest

from batch_platform.snapshots.sql_text import parameters_of, refuse_query


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("select 1", []),
        ("SELECT * FROM t WHERE a >= :start AND a < :end;", ["start", "end"]),
        ("with x as (select 1) select * from x where d = CAST(:partition_key AS date) ; ", ["partition_key"]),
        ("(select 1) union all (select 2)", []),
        ("select a::text, '10:30', 'x\\:y', $$;$$ from t -- ; :nope\n".replace(":nope", ""), []),
        ("select ';' as \"semi;colon\" from t where a = ':'", []),
        ("values (1), (2)", []),
    ],
)
def test_one_select_is_taken(query: str, parameters: list[str]) -> None:
    refuse_query(query)
    assert parameters_of(query) == parameters


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "has no statement"),
        (" ; ", "has no statement"),
        ("-- nothing", "has no statement"),
        ("select 'open", "a quote in it is never closed"),
        ("select 1; select 2", "more than one statement"),
        ("select 1; drop table t", "more than one statement"),
        ("delete from t", "begins with 'delete'; expected one SELECT"),
        ("UPDATE t SET a = 1", "begins with 'UPDATE'"),
        ("insert into t values (1)", "begins with 'insert'"),
        ("call f()", "begins with 'call'"),
        ("begin", "begins with 'begin'"),
        ("select * from t where a > :since", "unknown parameter :since; expected :start, :end, :partition_key"),
        ("select * from t where a = :partition_key::date", r"write CAST\(:partition_key AS"),
    ],
)
def test_anything_else_is_refused(query: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        refuse_query(query)
