"""Order-proof queries: neither the order of rows nor threads change them, and they mean what they meant."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform.sql.aggregates import SORT_KEYS
from batch_platform.sql.model import placeholder
from batch_platform.sql.order_proof import Proofed, order_proof

SCHEMA = pa.schema(
    [("g", pa.int32()), ("o", pa.int64()), ("x", pa.float64()), ("f", pa.float32()), ("s", pa.string())]
    + [("d", pa.decimal128(10, 2)), ("sum", pa.float64())]
)
TABLES = {"snapshots/t": SCHEMA}
Row = tuple[int | None, int, float | None, float | None, str | None, None, float | None]

AGGREGATES = [
    *(f"{name}(x)" for name in ("sum", "avg", "mean", "fsum", "kahan_sum", "sumkahan", "favg")),
    *(f"{name}(f)" for name in ("sum", "avg")),
    *(f"{name}(o)" for name in ("sum", "avg", "kahan_sum", "favg")),
    *(f"{name}(x / 1e150)" for name in ("stddev", "var_pop", "variance", "var_samp", "stddev_pop", "stddev_samp")),
    *(f"{name}(x / 1e150)" for name in ("sem", "skewness", "kurtosis", "kurtosis_pop")),
    *(f"{name}(x / 1e150, o)" for name in ("corr", "covar_pop", "covar_samp", "regr_slope", "regr_intercept")),
    *(f"{name}(x / 1e150, o)" for name in ("regr_r2", "regr_sxx", "regr_syy", "regr_sxy", "regr_avgx", "regr_avgy")),
    *(f"{name}(x)" for name in ("first", "last", "any_value", "arbitrary", "mode", "list", "array_agg")),
    *(f"{name}(s, o)" for name in ("arg_max", "arg_min", "argmax", "argmin", "max_by", "min_by")),
    *(f"{name}(x, g)" for name in ("arg_max_null", "arg_min_null", "arg_max_nulls_last", "arg_min_nulls_last")),
    *(f"{name}(s, g, 2)" for name in ("arg_max", "min_by")),
    *("string_agg(s)", "string_agg(s, '-')", "group_concat(s)", "listagg(s, ',')"),
    *("product(1 + x / 1e30)", "approx_quantile(x, 0.5)", "approx_top_k(g, 2)", "geomean(abs(f) + 1)"),
    *("sum(DISTINCT x)", "avg(DISTINCT f)", "list(DISTINCT s)", "sum(x ORDER BY g)", "list(x ORDER BY g)"),
    *("sum(0.1e0)", "avg(1e-3)", "sum(TRY_CAST(s AS DOUBLE) + 1)", "list({'a': x, 'b': o})", "first([x, o])"),
    *("sum(ALL x)", "main.sum(x)", '"Sum"(x)', "sum(sum)", "sum /* of all */ (x -- every x\n)"),
    *("sum(x) FILTER (g > 0)", "avg(x) FILTER (WHERE g > 0)", "list(x) FILTER (WHERE g > 0)"),
    *("coalesce(sum(x + f), 0) + max(o)", "sum(CASE WHEN g > 0 THEN x END)", "round(avg(x), 2)"),
    *("approx_count_distinct(s)", "histogram(g)", "median(o)", "quantile_cont(x, 0.3)", "mad(o)", "bit_xor(o)"),
    *("min(o)", "max(s)", "count(x)", "max(o, 2)"),
]
PICKS = {"first", "last", "any_value", "arbitrary", "mode"}
PICKS |= {"arg_max_null", "arg_min_null", "arg_max_nulls_last", "arg_min_nulls_last"}
"""Those that pick among equals: which one, the plain query leaves to the order of rows."""

WINDOWED = [
    "sum(x) OVER (PARTITION BY g)",
    "avg(x) OVER days",
    "sum(f) FILTER (WHERE o > 1) OVER (ORDER BY o\n  RANGE BETWEEN 2 PRECEDING AND CURRENT ROW)",
    "stddev(f) OVER days",
    "list(x) OVER (PARTITION BY g)",
    "first(x) OVER whole",
    "mode(g) OVER ()",
    "arg_max(s, g) OVER days",
    "last_value(o) OVER (PARTITION BY o ORDER BY o)",
]
VALUES = st.one_of(
    st.none(),
    st.sampled_from([0.0, -0.0, 1e25, -1e25, 1e-12, -3e-30, 0.1, -0.1, 1e16, 1.0]),
    st.floats(-1e25, 1e25),
    st.floats(-1.0, 1.0),
)
ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, 0, 1, 2]),
        st.integers(-3, 3),
        VALUES,
        st.one_of(st.none(), st.floats(-1e10, 1e10, width=32)),
        st.one_of(st.none(), st.sampled_from(["a", "b", "ä"])),
        st.none(),
        VALUES,
    ),
    max_size=30,
)


def rows_of(sql: str, rows: Sequence[Row], threads: int = 1, batches: int = 1) -> list[tuple[str, ...]]:
    """What a query gives over these rows, to the bit, sorted."""
    with duckdb.connect(config={"threads": threads}) as connection:
        connection.execute("CREATE SCHEMA snapshots")
        size = max(1, -(-len(rows) // batches))
        parts = [rows[start : start + size] for start in range(0, len(rows), size)] or [[]]
        columns = [[pa.array([row[at] for row in part], f.type) for at, f in enumerate(SCHEMA)] for part in parts]
        table = pa.Table.from_batches([pa.RecordBatch.from_arrays(one, schema=SCHEMA) for one in columns])
        connection.register("arriving", table)
        connection.execute("CREATE TABLE snapshots.t AS SELECT * FROM arriving")
        return sorted(tuple(_exactly(value) for value in row) for row in connection.sql(sql).fetchall())


def _exactly(value: object) -> str:
    return value.hex() if isinstance(value, float) else repr(value)


def proof(sql: str) -> str:
    """The order-proof text of a query that has one, whose columns are what they were."""
    proofed = order_proof(sql, TABLES)
    assert proofed.unproven == ()
    with duckdb.connect() as connection:
        connection.register("arriving", SCHEMA.empty_table())
        connection.execute("CREATE SCHEMA snapshots; CREATE TABLE snapshots.t AS SELECT * FROM arriving")
        was, now = connection.sql(sql), connection.sql(proofed.sql)
        assert (was.columns, was.types) == (now.columns, now.types)
    return proofed.sql


@pytest.mark.parametrize("expression", AGGREGATES)
def test_an_aggregate_gives_one_result_whatever_the_order_and_means_what_it_meant(expression: str) -> None:
    chance = random.Random(7)
    rows: list[Row] = []
    for o in range(200):
        x, f = chance.gauss(0, 1) * 10.0 ** chance.randint(-8, 8), float(chance.randint(-99, 99))
        s = chance.choice("abcé")
        rows.append((chance.randint(0, 3), o % 50, x, f, s, None, x))
    sql = f"SELECT g, {expression} AS v FROM snapshots.t GROUP BY g"
    text = proof(sql)
    first = rows_of(text, rows)
    for batches in (1, 3, 8):
        chance.shuffle(rows)
        assert rows_of(text, rows, threads=2, batches=batches) == first
    if expression.split("(")[0] in PICKS:
        return
    for was, now in zip(rows_of(sql, rows), first, strict=True):
        if was[1].lstrip("-").startswith("0x"):
            assert float.fromhex(now[1]) == pytest.approx(float.fromhex(was[1]), rel=1e-6)


@settings(max_examples=20, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_no_order_of_any_rows_shows(rows: list[Row], chance: random.Random) -> None:
    sums = ["sum(x)", "avg(x)", "sum(f)", "sum(DISTINCT x)", "list(x)", "first(x)", "mode(g)", "arg_max(x, o)"]
    grouped = proof(
        f"SELECT g, {', '.join(f'{one} AS v{n}' for n, one in enumerate(sums))} FROM snapshots.t GROUP BY g"
    )
    windows = ", ".join(f"{one} AS v{n}" for n, one in enumerate(WINDOWED))
    windowed = proof(
        f"SELECT o, g, {windows} FROM snapshots.t "
        "WINDOW days AS (PARTITION BY g ORDER BY o RANGE 1 PRECEDING), whole AS (PARTITION BY g)"
    )
    shuffled = chance.sample(rows, len(rows))
    for text in (grouped, windowed):
        assert rows_of(text, shuffled, batches=chance.randint(1, 4)) == rows_of(text, rows)


@settings(max_examples=50, deadline=None)
@given(st.lists(VALUES, max_size=40))
def test_a_sum_is_the_true_sum_rounded(values: list[float | None]) -> None:
    known = [value for value in values if value is not None]
    rows: list[Row] = [(0, 0, value, None, None, None, None) for value in values]
    ((total, mean),) = rows_of(proof("SELECT sum(x) AS s, avg(x) AS m FROM snapshots.t"), rows)
    if not known:
        assert (total, mean) == ("None", "None")
        return
    slack = len(known) * 2.0**-114
    assert float.fromhex(total) == pytest.approx(math.fsum(known), rel=2.0**-51, abs=slack)
    assert float.fromhex(mean) == pytest.approx(math.fsum(known) / len(known), rel=2.0**-50, abs=slack)


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_do_not_show(threads: int) -> None:
    sql = proof(
        "SELECT o % 5 AS k, sum(x) AS s, avg(x) AS m, list(x)[:3] AS l, first(s) AS f, mode(g) AS o, corr(x, o) AS c,"
        " arg_max(s, g) AS a, sum(x) FILTER (WHERE g > 1) AS p FROM snapshots.t GROUP BY k"
    )
    chance = random.Random(1)
    rows: list[Row] = [
        (chance.randint(0, 5), o, chance.gauss(0, 1e6), None, chance.choice("ab"), None, None) for o in range(130_000)
    ]
    first = rows_of(sql, sorted(rows, key=lambda row: row[1]))
    chance.shuffle(rows)
    assert rows_of(sql, rows, threads=threads, batches=3) == first


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ([1.0, math.inf], "inf"),
        ([-math.inf, 1.0], "-inf"),
        ([math.inf, -math.inf], "nan"),
        ([math.nan, math.inf, None], "nan"),
        ([math.nan], "nan"),
        ([None, math.inf], "inf"),
    ],
)
def test_what_is_no_number_adds_up_as_floats_do(values: list[float | None], total: str) -> None:
    rows: list[Row] = [(0, 0, value, None, None, None, None) for value in values]
    sql = proof("SELECT sum(x) AS s, avg(x) AS m FROM snapshots.t")
    assert rows_of(sql, rows) == rows_of(sql, rows[::-1]) == [(total, total)]


def test_a_number_too_large_for_an_exact_sum_says_so() -> None:
    with pytest.raises(duckdb.Error, match="exact below 1e26 only"):
        rows_of(proof("SELECT sum(x) AS s FROM snapshots.t"), [(0, 0, 1e26, None, None, None, None)])


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sum(o) AS a, avg(g) AS b, sum(d) AS c, avg(d) AS e, sum(sum(o)) OVER () AS h FROM snapshots.t",
        "SELECT sum(g) AS a FROM snapshots.t",
        'SELECT sum, x AS first, "sum" AS mode FROM snapshots.t -- sum(x)',
        "SELECT 'sum(x)' AS a, $$list(x)$$ AS b FROM snapshots.t /* avg(x) */",
        "SELECT first(x) OVER (ORDER BY o) AS a, list(x) OVER w AS b FROM snapshots.t WINDOW w AS (ORDER BY o)",
        "SELECT first_value(x) OVER (ORDER BY o) AS a, row_number() OVER w AS b FROM snapshots.t "
        "WINDOW v AS (ORDER BY o), w AS (v)",
        "WITH list(x) AS (SELECT 1) SELECT x FROM list",
        "SELECT a FROM (VALUES (1)) first(a)",
        "SELECT * FROM snapshots.t ORDER BY o LIMIT 3",
        "SELECT o FROM snapshots.t WHERE o IN (SELECT o FROM snapshots.t ORDER BY o LIMIT 3)",
        "SELECT list_sum([0.1, 0.2]) AS a, max(x) AS b, count(*) AS c FROM snapshots.t",
    ],
)
def test_what_is_proof_stays_as_it_is(sql: str) -> None:
    assert order_proof(sql, TABLES) == Proofed(sql)


def test_all_around_a_call_stays_byte_for_byte() -> None:
    sql = (
        "-- head\r\nSELECT\tg , -- of 'x'\n  /* é */ avg( x )  AS \"a\"\n\n"
        ", list(x -- all\n) AS l FROM snapshots.t GROUP BY g;--"
    )
    text = proof(sql)
    assert text.startswith("-- head\r\nSELECT\tg , -- of 'x'\n  /* é */ (((coalesce(CAST(sum(TRY_CAST(trunc(( x ) ")
    assert text.endswith(')  AS "a"\n\n, list(x ORDER BY x, signbit(x) -- all\n) AS l FROM snapshots.t GROUP BY g;--')
    assert text.count("\n") == sql.count("\n")


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT g\nFROM snapshots.t\nLIMIT 3", "line 3: LIMIT without ORDER BY"),
        ("SELECT * FROM (SELECT g FROM snapshots.t LIMIT 3) ORDER BY g", "line 1: LIMIT without ORDER BY"),
        ("SELECT g FROM snapshots.t FETCH FIRST 3 ROWS ONLY", "line 1: FETCH without ORDER BY"),
        ("SELECT DISTINCT ON (g) x FROM snapshots.t", "line 1: DISTINCT ON without ORDER BY"),
        ("SELECT row_number() OVER () AS n FROM snapshots.t", "line 1: row_number() over a window without ORDER BY"),
        (
            "SELECT lag(x) OVER w AS n FROM snapshots.t WINDOW w AS (PARTITION BY g)",
            "line 1: lag() over a window without ORDER BY",
        ),
        ("SELECT sum(o) OVER (ROWS 1 PRECEDING) AS n FROM snapshots.t", "line 1: sum() over ROWS without ORDER BY"),
        (
            "SELECT list(o) AS l FROM (SELECT o FROM snapshots.t ORDER BY x)",
            "line 1: list() follows the order of a subquery: write ORDER BY between its parentheses",
        ),
        ("SELECT reservoir_quantile(x, 0.5) AS q FROM snapshots.t", "line 1: reservoir_quantile() samples by chance"),
        ("SELECT entropy(x) AS e FROM snapshots.t", "line 1: entropy() adds floats in the order of rows"),
        ("SELECT x.sum() AS q FROM snapshots.t", "line 1: value.sum() follows the order of rows"),
        ("SELECT sum(x) FROM snapshots.t", "line 1: sum: columns without a name of their own"),
        ("SELECT sum(x) AS s FROM snapshots.missing", "line 1: sum: Catalog Error"),
        ("DROP TABLE snapshots.t; SELECT sum(x) AS s FROM snapshots.t", "line 1: sum: the query is not one SELECT"),
        ("SELECT sum(x AS s FROM snapshots.t", "is not SQL"),
        ("SELECT 'a", "is not SQL"),
        ("SELECT sum(x)) AS s", "is not SQL"),
        ("", ""),
    ],
)
def test_what_cannot_be_proven_is_told_and_left_alone(sql: str, told: str) -> None:
    proofed = order_proof(sql, TABLES)
    assert proofed.sql == sql
    assert len(proofed.unproven) == bool(told)
    assert all(one.startswith(told) for one in proofed.unproven)


@pytest.mark.parametrize(
    "query",
    [
        lambda e: f"SELECT {e} AS v FROM snapshots.t",
        lambda e: (
            f"WITH a AS (SELECT g, {e} AS v FROM snapshots.t GROUP BY g) SELECT sum(v) OVER (ORDER BY g) AS w FROM a"
        ),
        lambda e: f"SELECT g, (SELECT {e} FROM snapshots.t AS u WHERE u.g = t.g) AS v FROM snapshots.t AS t",
        lambda e: f"SELECT g FROM snapshots.t GROUP BY g HAVING {e} > 0 ORDER BY {e}",
        lambda e: f"SELECT sum({e}) OVER () AS v FROM snapshots.t GROUP BY g",
        lambda e: f"SELECT {e} AS v FROM snapshots.t UNION ALL SELECT {e} FROM snapshots.t",
        lambda e: f"SELECT g, {e} AS total, total / sum(total) OVER () AS share, FROM snapshots.t GROUP BY ROLLUP (g)",
        lambda e: (
            f"FROM snapshots.t AS a, LATERAL (SELECT {e} AS v FROM snapshots.t AS u WHERE u.g = a.g) SELECT a.g, v"
        ),
        lambda e: (
            f"SELECT [{e}] AS l, {{'k': {e}}} AS k, -{e} AS n, {e}::FLOAT AS f, CASE WHEN {e} > 1 THEN {e} END AS c "
            "FROM snapshots.t GROUP BY o QUALIFY rank() OVER (ORDER BY o) > 1"
        ),
        lambda e: f"FROM (PIVOT (SELECT g, o, x FROM snapshots.t) ON g IN (1, 2) USING {e} GROUP BY o)",
    ],
)
def test_a_call_is_found_wherever_it_stands(query: Callable[[str], str]) -> None:
    sql = query("avg(x)")
    rows: list[Row] = [(o % 3, o % 7, 0.1 * o, None, None, None, None) for o in range(50)]
    text = proof(sql)
    assert text != sql
    assert rows_of(text, rows) == rows_of(text, rows[::-1])


def test_a_range_text_is_proofed_with_its_placeholders_in_place() -> None:
    sql = f"SELECT sum(x) AS s FROM {placeholder('snapshots/t')} WHERE {placeholder('window_start')} IS NOT NULL"
    proofed = order_proof(sql, TABLES)
    assert proofed.unproven == ()
    assert proofed.sql.endswith(sql.removeprefix("SELECT sum(x)"))
    assert "HUGEINT" in proofed.sql


def test_several_threads_may_ask_at_once() -> None:
    def ask(number: int) -> Proofed:
        tables = {"snapshots/t": SCHEMA.set(2, pa.field("x", pa.int64() if number % 2 else pa.float64()))}
        return order_proof(f"SELECT sum(x) AS s{number} FROM snapshots.t", tables)

    with ThreadPoolExecutor(4) as pool:
        for number, proofed in enumerate(pool.map(ask, range(40))):
            assert proofed.unproven == ()
            assert ("HUGEINT" in proofed.sql) == (number % 2 == 0)


def test_every_aggregate_that_duckdb_has_is_judged() -> None:
    exact = {"approx_count_distinct", "bit_and", "bit_or", "bit_xor", "bitstring_agg", "bool_and", "bool_or"}
    exact |= {"count", "count_if", "count_star", "countif", "decimal_average", "histogram", "histogram_exact"}
    exact |= {"mad", "max", "median", "min", "quantile", "quantile_cont", "quantile_disc", "regr_count"}
    exact |= {"sum_no_overflow"}
    of_states = {"combine_aggr"}  # takes what EXPORT_STATE gives, which no model can store
    sums = {"sum", "avg", "mean", "fsum", "favg", "kahan_sum", "sumkahan"}
    with duckdb.connect() as connection:
        query = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'aggregate'"
        names = {name for (name,) in connection.execute(query).fetchall()}
    assert names - exact - of_states - sums - SORT_KEYS.keys() == {"reservoir_quantile", "entropy"}
