"""The macros that dbt brings: DuckDB takes each, and it means what it means in dbt."""

from __future__ import annotations

from datetime import date, datetime

import duckdb
import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.sql.cross_database import FUNCTIONS, Namespace

DAY = "DATE '2024-01-31'"
CASES = [
    ("any_value", ("x",), "SELECT {} FROM (VALUES (7)) AS t(x)", 7),
    ("array_append", ("[1]", "2"), "SELECT {}", [1, 2]),
    ("array_concat", ("[1]", "[2]"), "SELECT {}", [1, 2]),
    ("array_construct", ((1, 2),), "SELECT {}", [1, 2]),
    ("array_construct", ((), "integer"), "SELECT {}", []),
    ("bool_or", ("x",), "SELECT {} FROM (VALUES (true), (false)) AS t(x)", True),
    ("cast", ("'1'", "integer"), "SELECT {}", 1),
    ("cast_bool_to_text", ("true",), "SELECT {}", "true"),
    ("concat", (["'a'", "'b'"],), "SELECT {}", "ab"),
    ("date", (2024, 1, 31), "SELECT {}", date(2024, 1, 31)),
    ("date_trunc", ("month", DAY), "SELECT CAST({} AS DATE)", date(2024, 1, 1)),
    ("dateadd", ("day", 1, DAY), "SELECT {}", datetime(2024, 2, 1)),
    ("dateadd", ("quarter", -1, DAY), "SELECT {}", datetime(2023, 10, 31)),
    ("dateadd", ("week", "n", DAY), "SELECT {} FROM (VALUES (2)) AS t(n)", datetime(2024, 2, 14)),
    ("datediff", (DAY, "DATE '2024-03-01'", "month"), "SELECT {}", 2),
    ("datediff", ("DATE '2024-01-06'", "DATE '2024-01-07'", "week"), "SELECT {}", 1),
    ("datediff", ("DATE '2024-01-07'", "DATE '2024-01-13'", "week"), "SELECT {}", 0),
    ("equals", ("1", "1"), "SELECT {}", True),
    ("escape_single_quotes", ("it's",), "SELECT '{}'", "it's"),
    ("except", (), "(SELECT 1 UNION SELECT 2) {} SELECT 1", 2),
    ("hash", ("1",), "SELECT {}", "c4ca4238a0b923820dcc509a6f75849b"),
    ("intersect", (), "(SELECT 1 UNION SELECT 2) {} SELECT 2", 2),
    ("last_day", ("DATE '2024-02-03'", "month"), "SELECT {}", date(2024, 2, 29)),
    ("last_day", ("DATE '2024-02-03'", "quarter"), "SELECT {}", date(2024, 3, 31)),
    ("length", ("'abc'",), "SELECT {}", 3),
    ("listagg", ("x", "'-'", "order by x desc"), "SELECT {} FROM (VALUES ('a'), ('b')) AS t(x)", "b-a"),
    ("listagg", ("x", "'-'", "order by x", 1), "SELECT {} FROM (VALUES ('a'), ('b')) AS t(x)", "a"),
    ("position", ("'b'", "'abc'"), "SELECT {}", 2),
    ("replace", ("'abc'", "'b'", "'x'"), "SELECT {}", "axc"),
    ("right", ("'abc'", 2), "SELECT {}", "bc"),
    ("safe_cast", ("'1'", "integer"), "SELECT {}", 1),
    ("split_part", ("'a-b'", "'-'", 2), "SELECT {}", "b"),
    ("string_literal", ("a",), "SELECT {}", "a"),
    *((name, (), "SELECT CAST(NULL AS {})", None) for name in sorted(FUNCTIONS) if name.startswith("type_")),
]


@pytest.mark.parametrize(("name", "arguments", "query", "value"), CASES)
def test_each_gives_its_value(name: str, arguments: tuple[object, ...], query: str, value: object) -> None:
    sql = query.format(FUNCTIONS[name](*arguments))
    with duckdb.connect() as connection:
        assert connection.execute(sql).fetchall() == [(value,)]


def test_every_one_is_tried() -> None:
    assert {case[0] for case in CASES} == set(FUNCTIONS)


def test_what_reads_the_clock_or_is_unknown_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r"dbt\.current_timestamp gives another value each time"):
        _ = Namespace().current_timestamp
    with pytest.raises(ConfigurationError, match=r"dbt\.date_spine is not supported \(there are any_value, "):
        _ = Namespace().date_spine
