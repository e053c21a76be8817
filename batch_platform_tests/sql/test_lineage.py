"""Column lineage: what a column is computed from, in one query and through all models."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest
import sqlglot.lineage
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from batch_platform.snapshots.demo_tables import TABLES as DEMO
from batch_platform.snapshots.demo_tables import columns_of
from batch_platform.sql.binding import input_schema
from batch_platform.sql.lineage import ColumnRef, Lineage, Node, column_lineage, draw, readers, through

TABLES = {
    "s/t": pa.schema([("a", pa.int32()), ("b", pa.int32()), ("C", pa.int32())]),
    "s/u": pa.schema([("a", pa.int32()), ("d", pa.int32()), ("l", pa.list_(pa.int32()))]),
}
FEATURES = Path(__file__).parents[2] / "dbt_like_sql/models/flight_delay/flight_features.sql"
DEMO_TABLES = {f"snapshots/{name}": input_schema(columns_of(name), partitioned=True) for name in DEMO}


def short(lineage: Lineage) -> dict[str, str]:
    """Each column with the columns it comes from, as `t.a u.d`."""
    return {name: " ".join(str(ref).split("/")[-1] for ref in refs) for name, refs in lineage.columns.items()}


def demo_query() -> str:
    """The demonstration's model as SQL."""
    text = re.sub(r"\{\{ config\(.*?\) \}\}", "", FEATURES.read_text("utf-8"))
    return re.sub(r"\{\{ source\('(\w+)', '(\w+)'\) \}\}", r'"\1"."\2"', text)


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ('SELECT a + 1 AS x, x * 2 AS y, 3 AS z FROM "s"."t"', {"x": "t.a", "y": "t.a", "z": ""}),
        ("SELECT A AS Foo, c FROM s.t", {"Foo": "t.a", "C": "t.C"}),
        ("FROM s.t", {"a": "t.a", "b": "t.b", "C": "t.C"}),
        ("(SELECT a FROM s.t) LIMIT 3", {"a": "t.a"}),
        ("SELECT * EXCLUDE (a) REPLACE (b + a AS b) FROM s.t", {"b": "t.b t.a", "C": "t.C"}),
        ("SELECT * FROM s.t JOIN s.u USING (a)", {"a": "t.a u.a", "b": "t.b", "C": "t.C", "d": "u.d", "l": "u.l"}),
        ("SELECT a, d FROM (s.t JOIN s.u USING (a)) AS x", {"a": "t.a u.a", "d": "u.d"}),
        ("SELECT t.* FROM s.t SEMI JOIN s.u USING (a)", {"a": "t.a", "b": "t.b", "C": "t.C"}),
        ("SELECT CASE WHEN a > 1 THEN b END AS k FROM s.t WHERE c > 0", {"k": "t.a t.b"}),
        ("SELECT sum(b) FILTER (c > 1) AS m, count(*) AS n FROM s.t GROUP BY a", {"m": "t.b t.C", "n": ""}),
        (
            "SELECT sum(a) OVER (PARTITION BY b ORDER BY c) AS m, lag(a) OVER w AS f FROM s.t WINDOW w AS (ORDER BY b)",
            {"m": "t.a t.b t.C", "f": "t.a t.b"},
        ),
        ("SELECT b AS k FROM s.t QUALIFY row_number() OVER (ORDER BY a) = 1", {"k": "t.b"}),
        ("SELECT x.q FROM s.t AS x(p, q)", {"q": "t.b"}),
        ("WITH v(p, q) AS (SELECT a, b FROM s.t) SELECT q, p + q AS r FROM v", {"q": "t.b", "r": "t.a t.b"}),
        ("SELECT x.e, a FROM s.u, unnest(l) AS x(e)", {"e": "u.l", "a": "u.a"}),
        ("SELECT unnest(l) AS e, [v + a FOR v IN l] AS k FROM s.u", {"e": "u.l", "k": "u.a u.l"}),
        ("SELECT list_transform(l, lambda q: q + d) AS k FROM s.u", {"k": "u.l u.d"}),
        (
            "SELECT b, q.m FROM s.t AS t, LATERAL (SELECT max(d) + t.b AS m FROM s.u WHERE u.a = t.a) AS q",
            {"b": "t.b", "m": "u.d t.b"},
        ),
        ("SELECT (SELECT max(d) FROM s.u WHERE u.a = t.a) AS m FROM s.t", {"m": "u.d"}),
        ("SELECT EXISTS (SELECT 1 FROM s.u WHERE d = t.b) AS m FROM s.t", {"m": "u.d t.b"}),
        ("SELECT a IN (FROM s.u SELECT d) AS n FROM s.t", {"n": "t.a u.d"}),
        ("SELECT a FROM s.t UNION SELECT d FROM s.u UNION ALL SELECT c FROM s.t", {"a": "t.a u.d t.C"}),
        ("SELECT a FROM s.t UNION ALL BY NAME SELECT l, d AS a FROM s.u", {"a": "t.a u.d", "l": "u.l"}),
        ("SELECT a FROM s.t EXCEPT SELECT d FROM s.u", {"a": "t.a"}),
        (
            "WITH RECURSIVE r AS (SELECT a, b, c FROM s.t UNION ALL SELECT b, c, a FROM r WHERE a < 5) SELECT a FROM r",
            {"a": "t.a t.b t.C"},
        ),
        ("SELECT max(COLUMNS(*)), 1 AS n FROM s.t", {"a": "t.a", "b": "t.b", "C": "t.C", "n": ""}),
        ("SELECT b FROM (SELECT COLUMNS('a|b') + c FROM s.t)", {"b": "t.b t.C"}),
        ("SELECT t FROM s.t AS t", {"t": "t.a t.b t.C"}),
        ("SELECT e.x AS y FROM (SELECT {'x': a} AS e, b AS x FROM s.t)", {"y": "t.a"}),
        ("SELECT p FROM (VALUES (1)) AS v(p), s.t", {"p": ""}),
        ("SELECT r.range + a AS v FROM range(3) AS r, s.t", {"v": "t.a"}),
        ("SELECT * FROM s.t PIVOT (sum(c) AS n FOR b IN (1, 2))", {"a": "t.a", "1_n": "t.C t.b", "2_n": "t.C t.b"}),
        ("SELECT first FROM (SELECT a AS first FROM s.t ORDER BY c LIMIT 1)", {"first": "t.a"}),
    ],
)  # fmt: skip
def test_values_are_followed(sql: str, columns: Mapping[str, str]) -> None:
    lineage = column_lineage(sql, TABLES, "model.sql")
    assert (short(lineage), lineage.unknown, lineage.reason) == (columns, {}, "")
    assert list(lineage.columns) == list(columns)


@pytest.mark.parametrize(
    ("sql", "known", "unknown"),
    [
        ("SELECT b AS x, #1 AS y FROM s.t", {"x": "t.b"}, {"y": "model.sql: #1 AS y is not followed"}),
        ("SELECT a, rowid FROM s.t", {"a": "t.a"}, {"rowid": "model.sql: no source is known to have a column 'rowid'"}),
        (
            "PIVOT s.t ON b IN (1) USING sum(c) GROUP BY a",
            {},
            dict.fromkeys(("a", "1"), "model.sql: columns of PIVOT are not followed"),
        ),
    ],
)
def test_what_cannot_be_followed_is_told(sql: str, known: Mapping[str, str], unknown: Mapping[str, str]) -> None:
    lineage = column_lineage(sql, TABLES, "model.sql")
    assert (short(lineage), lineage.unknown) == (known, unknown)


@pytest.mark.parametrize(
    "sql", ["SELECT z FROM s.t", "SELECT a FROM s.missing", "SELECT (", "'", "SELECT 1; SELECT 2)"]
)
def test_what_is_no_query_is_told_and_raises_nothing(sql: str) -> None:
    lineage = column_lineage(sql, TABLES, "model.sql")
    assert not lineage.columns
    assert lineage.reason.startswith("model.sql: ")


def test_the_demonstration_is_followed_to_its_sources() -> None:
    lineage = column_lineage(demo_query(), DEMO_TABLES, str(FEATURES))
    assert not lineage.unknown
    found = short(lineage)
    schedule, weather, outcomes = "flight_schedule", "weather_forecast", "flight_outcomes"
    hours = f"{weather}.origin {weather}.hour_of_day"
    wanted = {
        "flight_date": f"{schedule}.flight_date",
        "departure_weekday": f"{schedule}.flight_date",
        "distance_miles": f"{schedule}.distance_miles",
        "scheduled_clock_minutes": f"{schedule}.scheduled_arrival_minute_of_day {schedule}.departure_minute_of_day",
        "carrier_origin_departures_of_day_count": f"{schedule}.origin {schedule}.carrier",
        "aircraft_manufacturer": "aircraft.tail_number aircraft.manufacturer",
        "aircraft_seat_count": "aircraft.seat_count",
        "humidity_percent": f"{weather}.humidity_percent",
        "wind_from_east_mph": f"{weather}.wind_speed_mph {weather}.wind_direction_degrees",
        "wind_gust_highest_of_day_mph": f"{weather}.wind_gust_mph {weather}.wind_speed_mph",
        "pressure_change_4_hours_millibars": f"{weather}.pressure_millibars {hours}",
        "visibility_lowest_next_3_hours_miles": f"{weather}.visibility_miles {hours}",
        "precipitation_of_day_inches": f"{weather}.precipitation_inches",
        "region_precipitation_highest_so_far_inches": f"{weather}.precipitation_inches {hours}",
        "late_rate_28_days": f"{outcomes}.arrival_delay_minutes",
        "route_delay_28_days_minutes": f"{outcomes}.arrival_delay_minutes",
        "flight_flown_28_days_count": "",
        "aircraft_late_rate_28_days": f"aircraft.tail_number {outcomes}.arrival_delay_minutes",
        "_source_row": f"{schedule}._source_row",
    }
    assert {name: found[name] for name in wanted} == wanted


def test_it_agrees_with_the_library_that_follows_one_column_at_a_time() -> None:
    tables: dict[str, dict[str, str]] = {}
    for table, columns in DEMO_TABLES.items():
        tables[table.split("/")[1]] = dict.fromkeys(columns.names, "unknown")
    sql = demo_query()
    lineage = column_lineage(sql, DEMO_TABLES, "model.sql")
    for name in random.Random(3).sample(sorted(lineage.columns), 5):
        tree = sqlglot.lineage.lineage(name, sql, schema={"snapshots": tables}, dialect="duckdb")
        leaves = {
            f"snapshots/{node.expression.this.name}.{node.name.split('.')[-1]}"
            for node in tree.walk()
            if isinstance(node.expression, exp.Table)
        }
        # What a named window is partitioned by counts here and does not count there.
        assert leaves <= {str(ref) for ref in lineage.columns[name]}


Built = tuple[str, dict[str, frozenset[str]]]
LEAVES = ('SELECT a, b, c FROM "s"."t"', "SELECT a, d AS b, d AS c FROM s.u")
ORIGINS = ({"a": {"t.a"}, "b": {"t.b"}, "c": {"t.C"}}, {"a": {"u.a"}, "b": {"u.d"}, "c": {"u.d"}})


@st.composite
def queries(draw: st.DrawFn, depth: int = 3) -> Built:
    """A query with the columns a, b and c, and what each comes from."""
    if depth == 0:
        leaf = draw(st.sampled_from([0, 1]))
        return LEAVES[leaf], {name: frozenset(refs) for name, refs in ORIGINS[leaf].items()}
    one, its = draw(queries(depth=depth - 1))
    names = draw(st.permutations("abc"))
    kind = draw(st.sampled_from(["project", "cte", "join", "using", "union", "group", "window", "star", "scalar"]))
    if kind == "project":
        x, y, z = names
        return f"SELECT q.{x} AS a, {y} + q.{z} AS b, 1 AS c FROM ({one}) AS q", {
            "a": its[x],
            "b": its[y] | its[z],
            "c": frozenset(),
        }
    if kind == "star":
        return f"SELECT * REPLACE ({names[0]} * 2 AS a) FROM ({one})", {**its, "a": its[names[0]]}
    if kind == "group":
        x, y, z = names
        return f"SELECT {x} AS a, max({y}) AS b, count({z}) FILTER (WHERE {y} > 0) AS c FROM ({one}) GROUP BY 1", {
            "a": its[x],
            "b": its[y],
            "c": its[z] | its[y],
        }
    if kind == "window":
        x, y, z = names
        return (
            f"SELECT *, FROM (SELECT {x} AS a, sum({y}) OVER w AS b, {z} AS c FROM ({one}) WINDOW w AS (ORDER BY {z}))",
            {"a": its[x], "b": its[y] | its[z], "c": its[z]},
        )
    other, theirs = draw(queries(depth=depth - 1))
    x, y, z = names
    if kind == "cte":
        return f"WITH p AS ({one}), q AS ({other}) SELECT p.{x} AS a, q.{y} AS b, p.{z} AS c FROM p, q", {
            "a": its[x],
            "b": theirs[y],
            "c": its[z],
        }
    if kind == "join":
        return (
            f"SELECT p.{x} AS a, coalesce(q.b, p.b) AS b, q.{z} AS c FROM ({one}) p LEFT JOIN ({other}) q ON p.a = q.a",
            {
                "a": its[x],
                "b": its["b"] | theirs["b"],
                "c": theirs[z],
            },
        )
    if kind == "using":
        return f"SELECT a, p.{x} AS b, q.{y} AS c FROM ({one}) p FULL JOIN ({other}) q USING (a)", {
            "a": its["a"] | theirs["a"],
            "b": its[x],
            "c": theirs[y],
        }
    if kind == "scalar":
        return f"SELECT a, (SELECT max({x}) FROM ({other}) AS q WHERE q.a = p.a) AS b, p.c FROM ({one}) AS p", {
            "a": its["a"],
            "b": theirs[x],
            "c": its["c"],
        }
    return f"SELECT a, b, c FROM ({one}) UNION ALL SELECT {x}, {y}, {z} FROM ({other})", {
        "a": its["a"] | theirs[x],
        "b": its["b"] | theirs[y],
        "c": its["c"] | theirs[z],
    }


@settings(max_examples=80, deadline=None)
@given(queries())
def test_any_query_is_followed(built: Built) -> None:
    sql, truth = built
    lineage = column_lineage(sql, TABLES, "model.sql")
    assert (lineage.reason, lineage.unknown) == ("", {})
    assert {name.lower(): frozenset(refs.split()) for name, refs in short(lineage).items()} == truth


A, B, C = ColumnRef("snapshots/a", "x"), ColumnRef("features/b", "y"), ColumnRef("features/c", "z")
MODELS: dict[str, dict[str, tuple[ColumnRef, ...]]] = {
    "features/b": {"y": (A,), "one": ()},
    "features/c": {"z": (B, A), "w": (ColumnRef("features/b", "gone"),)},
    "features/d": {"v": (C, B)},
}


def test_a_column_is_walked_to_its_sources() -> None:
    below = Node(B, (Node(A, why_leaf="source"),))
    assert through(MODELS, "features/c", "z") == Node(C, (below, Node(A, why_leaf="source")))
    assert draw(through(MODELS, "features/d", "v"), {"features/b": "models/b.sql"}).splitlines() == [
        "features/d.v",
        "├── features/c.z",
        "│   ├── features/b.y  (models/b.sql)",
        "│   │   └── snapshots/a.x  (source)",
        "│   └── snapshots/a.x  (source)",
        "└── features/b.y  (models/b.sql, see above)",
    ]
    assert draw(through(MODELS, "features/b", "one")) == "features/b.one  (computed from no column)"
    assert draw(through(MODELS, "features/c", "w")).endswith("└── features/b.gone  (unknown)")


def test_a_column_is_walked_to_its_readers() -> None:
    assert draw(readers(MODELS, "snapshots/a", "x")).splitlines() == [
        "snapshots/a.x",
        "├── features/b.y",
        "│   ├── features/c.z",
        "│   │   └── features/d.v",
        "│   └── features/d.v",
        "└── features/c.z  (see above)",
    ]
    assert readers(MODELS, "features/d", "v") == Node(ColumnRef("features/d", "v"))


def test_a_model_that_reads_its_own_past_is_walked_once() -> None:
    own = ColumnRef("features/d", "v")
    models: dict[str, dict[str, tuple[ColumnRef, ...]]] = {"features/d": {"v": (own, A)}}
    told = ["features/d.v", "├── features/d.v  (itself)", "└── snapshots/a.x  (source)"]
    assert draw(through(models, "features/d", "v")).splitlines() == told
    assert draw(readers(models, "snapshots/a", "x")).splitlines() == [
        "snapshots/a.x",
        "└── features/d.v",
        "    └── features/d.v  (itself)",
    ]


def test_many_ways_to_one_column_are_walked_quickly() -> None:
    models = {
        f"features/m{n}": {c: tuple(ColumnRef(f"features/m{n - 1}", o) for o in "ab") for c in "ab"}
        for n in range(1, 40)
    }
    assert len(draw(through(models, "features/m39", "a")).splitlines()) < 200
