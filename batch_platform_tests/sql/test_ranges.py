"""Ranges: one pass over many partitions gives each of them what it gets by itself, for every shape of SQL."""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.features.inputs import Inputs
from batch_platform.features.sandbox import Sandbox
from batch_platform.features.stored import OpenedInput
from batch_platform.lake.digest import digest_table
from batch_platform.lake.store import Lake
from batch_platform.partitions import Window
from batch_platform.snapshots.capture import Snapshot, capture
from batch_platform.sql.model import SqlModel, load_model
from batch_platform.sql.ranges import range_query
from batch_platform.telemetry.cost import Meter
from batch_platform.timelines import Reading, reading
from batch_platform_tests.features.tables import (
    CALENDAR,
    DAYS,
    KNOWN_AT,
    RUN,
    TIMELINES,
    Answer,
    Given,
    answer_of,
    answers_of_range,
    put,
)

AIRPORTS = "snapshots/airports"
EMPTY = {DAYS[0], DAYS[4], DAYS[5]}
HEAD = (
    "{{ config(key=['flight'], lookback={'outcomes': 3}) }}"
    "{% set flights = source('snapshots', 'flights') %}"
    "{% set outcomes = source('snapshots', 'outcomes') %}"
    "{% set airports = source('snapshots', 'airports') %}"
)

AT_ONCE = {
    "rows": "SELECT * FROM {{ flights }}",
    "scalar aggregate": "SELECT count(*) AS n, sum(miles) AS s, max(flight) AS m FROM {{ outcomes }}",
    "scalar aggregate of nothing": "SELECT count(*) AS n FROM {{ flights }} WHERE miles < 0",
    "scalar aggregate below": "SELECT n + 1 AS n FROM (SELECT count(*) AS n FROM {{ flights }})",
    "scalar aggregate joined": (
        "WITH h AS (SELECT count(*) AS n, coalesce(sum(miles), -1) AS s FROM {{ outcomes }}) "
        "SELECT f.*, h.n, h.s FROM {{ flights }} AS f CROSS JOIN h"
    ),
    "scalar aggregate left joined": (
        "SELECT a.airport, h.n FROM {{ airports }} AS a LEFT JOIN "
        "(SELECT count(*) AS n FROM {{ flights }}) AS h ON h.n >= 0"
    ),
    "count of a scalar subquery": (
        "SELECT a.airport, (SELECT count(*) FROM {{ flights }} AS f WHERE f.airport = a.airport) AS n "
        "FROM {{ airports }} AS a"
    ),
    "group by": "SELECT airport, count(*) AS n, sum(miles) AS s FROM {{ outcomes }} GROUP BY airport",
    "group by nothing": "SELECT count(*) AS n FROM {{ flights }} GROUP BY ()",
    "rollup": "SELECT airport, flight, sum(miles) AS n FROM {{ flights }} GROUP BY ROLLUP (airport, flight)",
    "having": "SELECT airport FROM {{ flights }} GROUP BY airport HAVING count(*) > 1",
    "having without group": "SELECT count(*) AS n FROM {{ flights }} HAVING count(*) = 0",
    "filter": "SELECT count(*) FILTER (miles > 5) AS n, bool_or(miles > 5) AS b FROM {{ flights }}",
    "row_number": "SELECT *, row_number() OVER (ORDER BY flight) AS n FROM {{ flights }}",
    "window over all": "SELECT flight, count(*) OVER () AS n, sum(miles) OVER () AS s FROM {{ outcomes }}",
    "window frame": (
        "SELECT flight, day, sum(miles) OVER (PARTITION BY airport ORDER BY day, flight ROWS 2 PRECEDING) AS s, "
        "lag(miles) OVER (ORDER BY day, flight) AS l, first_value(miles) OVER w AS f FROM {{ outcomes }} "
        "WINDOW w AS (ORDER BY day, flight RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW)"
    )
    .replace("day, flight RANGE", "day RANGE")
    .replace("first_value", "max"),
    "ntile and rank": (
        "SELECT flight, ntile(2) OVER (ORDER BY flight) AS t, rank() OVER (ORDER BY miles) AS r, "
        "percent_rank() OVER (ORDER BY miles) AS p FROM {{ flights }}"
    ),
    "distinct": "SELECT DISTINCT airport FROM {{ outcomes }}",
    "distinct on": "SELECT DISTINCT ON (airport) airport, flight, miles FROM {{ flights }} ORDER BY airport, flight",
    "count distinct": "SELECT count(DISTINCT airport) AS n FROM {{ outcomes }}",
    "limit": "SELECT * FROM {{ flights }} ORDER BY miles, flight LIMIT 2",
    "limit and offset": "SELECT * FROM {{ flights }} ORDER BY miles, flight LIMIT 2 OFFSET 1",
    "limit below": "SELECT sum(miles) AS s FROM (SELECT miles FROM {{ flights }} ORDER BY miles DESC LIMIT 2)",
    "union all": "SELECT flight, miles FROM {{ flights }} UNION ALL SELECT flight, miles FROM {{ outcomes }}",
    "union": "SELECT airport FROM {{ flights }} UNION SELECT airport FROM {{ outcomes }}",
    "union by name": (
        "SELECT flight, miles FROM {{ flights }} UNION ALL BY NAME SELECT miles, airport FROM {{ outcomes }}"
    ),
    "union of aggregates": "SELECT count(*) AS n FROM {{ flights }} UNION ALL SELECT count(*) FROM {{ outcomes }}",
    "except": "SELECT airport FROM {{ outcomes }} EXCEPT SELECT airport FROM {{ flights }}",
    "intersect": "SELECT airport FROM {{ outcomes }} INTERSECT SELECT airport FROM {{ flights }}",
    "exists": (
        "SELECT * FROM {{ flights }} AS f WHERE EXISTS (SELECT 1 FROM {{ outcomes }} AS o WHERE o.flight = f.flight)"
    ),
    "not exists": (
        "SELECT * FROM {{ flights }} AS f WHERE NOT EXISTS "
        "(SELECT 1 FROM {{ outcomes }} AS o WHERE o.flight = f.flight)"
    ),
    "not exists of any": "SELECT airport FROM {{ airports }} WHERE NOT EXISTS (SELECT 1 FROM {{ flights }})",
    "in": "SELECT airport, airport IN (SELECT airport FROM {{ flights }}) AS i FROM {{ airports }}",
    "not in": "SELECT airport FROM {{ airports }} WHERE airport NOT IN (SELECT airport FROM {{ outcomes }})",
    "all": "SELECT airport FROM {{ airports }} WHERE lon > ALL (SELECT miles FROM {{ flights }})",
    "scalar subquery": (
        "SELECT f.flight, f.miles - (SELECT avg(miles) FROM {{ outcomes }}) AS d FROM {{ flights }} AS f"
    ),
    "scalar subquery alone": (
        "SELECT (SELECT count(*) FROM {{ flights }}) AS n, (SELECT sum(miles) FROM {{ flights }}) AS s"
    ),
    "correlated subquery": (
        "SELECT f.flight, (SELECT max(o.miles) FROM {{ outcomes }} AS o WHERE o.airport = f.airport) AS m "
        "FROM {{ flights }} AS f"
    ),
    "own lateral": (
        "SELECT f.flight, t.miles FROM {{ flights }} AS f, LATERAL "
        "(SELECT o.miles FROM {{ outcomes }} AS o WHERE o.airport = f.airport ORDER BY o.miles, o.flight LIMIT 1) AS t"
    ),
    "left join": "SELECT f.*, o.miles AS m FROM {{ flights }} AS f LEFT JOIN {{ outcomes }} AS o USING (flight)",
    "right join": (
        "SELECT flight, f.miles, o.miles AS m FROM {{ flights }} AS f RIGHT JOIN {{ outcomes }} AS o USING (flight)"
    ),
    "full join": (
        "SELECT flight, f.miles, o.miles AS m FROM {{ flights }} AS f FULL JOIN {{ outcomes }} AS o USING (flight)"
    ),
    "anti join": "SELECT * FROM {{ flights }} AS f ANTI JOIN {{ outcomes }} AS o USING (flight)",
    "semi join": "SELECT * FROM {{ flights }} AS f SEMI JOIN {{ outcomes }} AS o USING (flight)",
    "asof join": (
        "SELECT f.flight, f.miles, o.miles AS m FROM {{ flights }} AS f ASOF LEFT JOIN "
        "(SELECT airport, miles FROM {{ outcomes }}) AS o ON f.airport = o.airport AND f.miles >= o.miles"
    ),
    "cross join": "SELECT f.flight, a.airport FROM {{ flights }} AS f, {{ airports }} AS a",
    "natural join": "SELECT * FROM {{ flights }} NATURAL JOIN {{ airports }}",
    "qualify": "SELECT * FROM {{ outcomes }} QUALIFY row_number() OVER (PARTITION BY airport ORDER BY day, flight) = 1",
    "cte": (
        "WITH a AS (SELECT * FROM {{ outcomes }}), b AS (SELECT airport, count(*) AS n FROM a GROUP BY airport) "
        "SELECT a.flight, a.day, b.n FROM a JOIN b USING (airport)"
    ),
    "materialized cte": (
        "WITH a AS MATERIALIZED (SELECT * FROM {{ outcomes }}) "
        "SELECT (SELECT count(*) FROM a) AS n, x.flight, x.day FROM a AS x JOIN a AS y ON x.flight = y.flight"
    ),
    "recursive cte": (
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < (SELECT "
        "count(*) FROM {{ flights }})) "
        "SELECT n FROM r"
    ),
    "recursive cte over rows": (
        "WITH RECURSIVE r AS (SELECT flight, miles FROM {{ flights }} UNION ALL "
        "SELECT flight, miles - 40 FROM r WHERE miles > 0) SELECT flight, miles FROM r"
    ),
    "values": "SELECT v.x, f.flight FROM (VALUES (1), (2)) AS v(x), {{ flights }} AS f",
    "values alone": "SELECT * FROM (VALUES ('a', 1)) AS v(flight, n)",
    "no input": "SELECT 1 AS one",
    "unnest": "SELECT flight, unnest([1, 2, miles]) AS u FROM {{ flights }}",
    "unnest from": "SELECT f.flight, u.x FROM {{ flights }} AS f, unnest(range(f.miles // 10)) AS u(x)",
    "generate_series": "SELECT g.n, f.flight FROM generate_series(1, 3) AS g(n), {{ flights }} AS f",
    "range function": "SELECT n FROM range(4) AS r(n) WHERE n < (SELECT count(*) FROM {{ flights }})",
    "window bounds": (
        "SELECT flight, {{ window.start }} AS began, date_diff('hour', {{ window.start }}, {{ window.end }}) AS hours, "
        "strftime({{ window.start }}, '%Y-%m-%d') AS d FROM {{ flights }}"
    ),
    "window bounds alone": "SELECT CAST({{ window.start }} AS DATE) AS d, CAST({{ window.end }} AS VARCHAR) AS e",
    "window bounds in a filter": "SELECT * FROM {{ outcomes }} WHERE day >= {{ window.start }} - INTERVAL 2 DAY",
    "window bounds in a join": (
        "SELECT a.airport, o.miles FROM {{ airports }} AS a LEFT JOIN {{ outcomes }} AS o "
        "ON o.airport = a.airport AND o.day >= {{ window.start }} - INTERVAL 2 DAY"
    ),
    "window bounds in an aggregate": (
        "SELECT airport, count(*) FILTER (day < {{ window.start }} - INTERVAL 2 DAY) AS n, "
        "max({{ window.end }} - day)::VARCHAR AS age FROM {{ outcomes }} GROUP BY ALL"
    ),
    "window bounds in a partition": (
        "SELECT flight, day, count(*) OVER (PARTITION BY day < {{ window.start }} - INTERVAL 2 "
        "DAY) AS n FROM {{ outcomes }}"
    ),
    "window bounds in a cte": (
        "WITH d AS (SELECT {{ window.start }} AS began) SELECT flight, began FROM {{ flights }}, d"
    ),
    "quantiles": (
        "SELECT quantile_cont(miles, 0.5) AS a, quantile_disc(miles, [0.25, 0.75]) AS b, median(miles) AS c, "
        "mode(airport) AS d FROM (SELECT * FROM {{ outcomes }} WHERE airport = 'JFK')"
    ),
    "list with order": (
        "SELECT list(miles ORDER BY day, flight) AS l, string_agg(flight, ',' ORDER BY day, flight) AS s, "
        "arg_max(flight, miles * 1000 + hash(flight) % 1000) AS a FROM {{ outcomes }}"
    ),
    "list with order and group": (
        "SELECT airport, list(flight ORDER BY flight DESC) AS l FROM {{ flights }} GROUP BY airport"
    ),
    "histogram": "SELECT histogram(airport)::VARCHAR AS h FROM {{ outcomes }}",
    "lambda": "SELECT flight, list_sum(list_transform([1, 2], lambda x: x + miles)) AS l FROM {{ flights }}",
    "columns": "SELECT max(COLUMNS(* EXCLUDE (partition_key, _source_file, _source_row))) FROM {{ outcomes }}",
    "partition key": "SELECT partition_key AS k, count(*) AS n FROM {{ outcomes }} GROUP BY ALL",
    "pivot": "SELECT * FROM (PIVOT {{ flights }} ON airport IN ('JFK', 'LGA') USING count(*) GROUP BY flight)",
    "unpivot": (
        "SELECT * FROM (SELECT flight, miles, miles + 1 AS more FROM {{ flights }}) UNPIVOT (v FOR n IN (miles, more))"
    ),
    "from first": "FROM {{ flights }} SELECT flight",
    "no select": "FROM {{ flights }}",
    "a relation called by its name": "SELECT flights.miles FROM {{ flights }}",
    "semicolon": "SELECT * FROM {{ flights }} ;\n",
    "semicolon and comment": "SELECT * FROM {{ flights }}; -- done",
    "comment": "SELECT * FROM {{ flights }} -- done",
    "block comment": "/* a */ SELECT * FROM {{ flights }} /* b ) */",
    "commented parenthesis": "SELECT * FROM {{ flights }} -- )",
    "with order": "SELECT * FROM {{ flights }} ORDER BY miles DESC",
    "null": "SELECT NULL::INTEGER AS x, flight FROM {{ flights }}",
    "an alias named model": "SELECT model.flight FROM {{ flights }} AS model",
    "a column named like the range's": 'SELECT flight AS "calendar:key" FROM {{ flights }}',
    "a column called key": "SELECT flight AS key, miles AS window_start FROM {{ flights }}",
}

"""Shapes that one pass computes."""

ONE_BY_ONE = {
    "limit percent": "SELECT flight FROM {{ flights }} ORDER BY miles, flight LIMIT 50 PERCENT",
    "limit by a subquery": (
        "SELECT flight FROM {{ flights }} ORDER BY flight LIMIT (SELECT count(*) // 2 FROM {{ flights }})"
    ),
    "grouping sets": "SELECT airport, count(*) AS n FROM {{ flights }} GROUP BY GROUPING SETS ((airport), ())",
    "positional join": (
        "SELECT a.flight, b.miles FROM (SELECT flight FROM {{ flights }} ORDER BY flight) AS a "
        "POSITIONAL JOIN (SELECT miles FROM {{ outcomes }} ORDER BY flight) AS b"
    ),
    "a name like the calendar's": (
        "WITH _calendar AS (SELECT 1 AS key) SELECT _calendar.key, flight FROM {{ flights }}, _calendar"
    ),
    "template that asks for the window": (
        "SELECT flight, {% if '2025-01-12' in window.start %}1{% else %}2{% endif %} AS n FROM {{ flights }}"
    ),
    "template that cuts the window": "SELECT flight, '{{ window.start[13:23] }}' AS d FROM {{ flights }}",
    "template that asks for a relation": "SELECT {{ flights | length }} AS n, flight FROM {{ flights }}",
    "two columns of one name": "SELECT flight, miles, miles FROM {{ flights }}",
    "a raw name": "SELECT count(*) AS n FROM snapshots.outcomes",
    "a raw name beside an input": "SELECT o.miles FROM {{ flights }} AS f, snapshots.outcomes AS o",
    "a call of the macro": "SELECT count(*) AS n FROM snapshots.outcomes('2000-01-01', '2099-01-01')",
    "a file": "SELECT * FROM read_csv('/etc/passwd')",
    "a file by name": "SELECT * FROM '/etc/passwd'",
    "the catalog": "SELECT count(*) AS n FROM duckdb_tables()",
    "the catalog's view": "SELECT count(*) AS n FROM duckdb_tables",
    "the catalog beside an input": (
        "SELECT f.flight, t.estimated_size AS s FROM {{ flights }} AS f, duckdb_tables() AS t"
    ),
    "the catalog in a lateral": (
        "SELECT f.flight, t.n FROM {{ flights }} AS f, LATERAL (SELECT count(*) AS n FROM duckdb_tables()) AS t"
    ),
    "the catalog in a subquery": "SELECT flight, (SELECT count(*) FROM duckdb_tables()) AS n FROM {{ flights }}",
    "the catalog in a cte": "WITH t AS (SELECT count(*) AS n FROM duckdb_tables()) SELECT n FROM t",
    "a cte called like the catalog": (
        "SELECT (WITH duckdb_tables AS (SELECT 1 AS n) SELECT n FROM duckdb_tables) AS a, count(*) "
        "AS n FROM duckdb_tables"
    ),
    "information_schema": "SELECT count(*) AS n FROM information_schema.tables",
    "another schema": "SELECT count(*) AS n FROM main.sqlite_master",
    "another database": "SELECT count(*) AS n FROM memory.snapshots.outcomes",
    "query_table": "SELECT count(*) AS n FROM query_table('snapshots.outcomes')",
    "show": "SELECT count(*) AS n FROM (SHOW ALL TABLES)",
    "describe": "SELECT count(*) AS n FROM (DESCRIBE snapshots.outcomes)",
    "summarize": "SELECT count(*) AS n FROM (SUMMARIZE snapshots.outcomes)",
    "the calendar": "SELECT * FROM _calendar",
    "a column of the calendar": 'SELECT flight, _calendar."calendar:last:snapshots/outcomes" AS l FROM {{ flights }}',
    "a bare column of the calendar": 'SELECT flight, "calendar:key" AS k FROM {{ flights }}',
    "a placeholder by hand": 'SELECT * FROM "calendar:snapshots/outcomes"',
    "an unknown column": "SELECT key FROM {{ flights }}",
    "a placeholder in a text": "SELECT '{{ flights }}' AS t, flight FROM {{ flights }}",
    "two statements": "SELECT 1 AS n; SELECT 2 AS n",
    "another statement": "CREATE TABLE snapshots.x AS SELECT 1 AS n",
    "not sql": "SELEC 1",
}
"""Shapes that name more than their inputs, that no lateral subquery computes, or that fail."""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Random days; some are empty, on others whole airports are missing."""
    return filled(tmp_path_factory.mktemp("ranges") / "lake", random.Random(7), EMPTY)


def filled(folder: Path, chance: random.Random, empty: set[str]) -> Lake:
    lake = Lake(str(folder))
    for name in ("flights", "outcomes"):
        source = Given(name, {day: _rows(chance, day, day in empty) for day in DAYS})
        snapshot = Snapshot(name, source, (), CALENDAR, empty_allowed=True)
        outcomes = capture(snapshot, lake, DAYS, RUN, Meter(0.04))
        assert [outcome.error for outcome in outcomes] == [None] * len(DAYS)
    put(lake, AIRPORTS, {"": {"airport": ["JFK", "LGA", "EWR"], "lon": [30, 60, 90]}})
    return lake


def _rows(chance: random.Random, day: str, empty: bool) -> dict[str, pa.Array]:
    count = 0 if empty else chance.randint(1, 7)
    flights = [f"AA{number}" for number in chance.sample(range(9), count)]
    return {
        "flight": pa.array(flights, pa.string()),
        "airport": pa.array([chance.choice(["JFK", "LGA", "EWR", None]) for _ in flights], pa.string()),
        "miles": pa.array([chance.choice([None, *range(0, 100, 7)]) for _ in flights], pa.int64()),
        "day": pa.array([datetime.fromisoformat(f"{day}T00:00:00+00:00")] * count, pa.timestamp("us", "UTC")),
    }


def model_of(folder: Path, sql: str) -> SqlModel:
    path = folder / "flight_delays.sql"
    path.write_text(HEAD + sql)
    return load_model(path)


def sandbox_of(model: SqlModel, lake: Lake) -> Sandbox:
    readings = tuple(reading(TIMELINES[table], model.lookback.get(table), CALENDAR, KNOWN_AT) for table in model.inputs)
    return Sandbox(model, readings, opened(readings, lake.root))


@functools.cache
def opened(readings: tuple[Reading, ...], root: str) -> Mapping[str, OpenedInput]:
    return Inputs(readings, Lake(root), DAYS).opened


def content(answer: Answer) -> object:
    """What must be the same: the columns in their order, the rows in any, and what was shown."""
    names = answer.rows.column_names
    renamed = answer.rows.rename_columns([f"{number} {name}" for number, name in enumerate(names)])
    return names, digest_table(renamed, positions=True).hex, answer.rows.num_rows, dict(answer.shown)


def alone(model: SqlModel, lake: Lake, keys: Sequence[str] = DAYS) -> dict[str, object]:
    """Each partition by itself, in a connection that never held a range; its error where it fails."""
    found: dict[str, object] = {}
    with closing(sandbox_of(model, lake)) as sandbox:
        for key in keys:
            try:
                found[key] = content(answer_of(sandbox, key, CALENDAR.window(key)))
            except ConfigurationError as error:
                found[key] = str(error)
    return found


def windows(keys: Sequence[str]) -> Mapping[str, Window]:
    return {key: CALENDAR.window(key) for key in keys}


@pytest.mark.parametrize("sql", AT_ONCE.values(), ids=AT_ONCE.keys())
def test_a_range_gives_every_partition_what_it_gets_alone(lake: Lake, tmp_path: Path, sql: str) -> None:
    model = model_of(tmp_path, sql)
    keys = [DAYS[0], *DAYS[3:7], DAYS[9]]
    with closing(sandbox_of(model, lake)) as sandbox:
        together = answers_of_range(sandbox, windows(keys))
    assert together is not None, "the range was not computed in one pass"
    assert {key: content(answer) for key, answer in together.items()} == alone(model, lake, keys)


@pytest.mark.parametrize("sql", ONE_BY_ONE.values(), ids=ONE_BY_ONE.keys())
def test_what_does_not_run_at_once_runs_alone_and_sees_nothing_of_the_others(
    lake: Lake, tmp_path: Path, sql: str
) -> None:
    """Also after the attempt at a range, in the same connection."""
    keys = DAYS[5:8]
    model = model_of(tmp_path, sql)
    expected = alone(model, lake, keys)
    with closing(sandbox_of(model, lake)) as sandbox:
        assert answers_of_range(sandbox, windows(keys)) is None
        for key in keys:
            try:
                assert content(answer_of(sandbox, key, CALENDAR.window(key))) == expected[key]
            except ConfigurationError as error:
                assert str(error) == expected[key]


@pytest.mark.parametrize(
    "name", [name for name in ONE_BY_ONE if "catalog" in name or "schema" in name or "raw" in name]
)
def test_a_query_that_names_more_than_its_inputs_is_not_even_tried(tmp_path: Path, name: str) -> None:
    assert range_query(model_of(tmp_path, ONE_BY_ONE[name]), windows(DAYS).values()) is None


def test_a_model_of_names_beyond_ascii_may_end_in_a_semicolon(tmp_path: Path) -> None:
    found = range_query(model_of(tmp_path, "SELECT 'ä€😀' AS \"ö\" FROM {{ flights }} ; -- ü"), windows(DAYS).values())
    assert found is not None and ";" not in found.body and '"ö" FROM "snapshots"."flights"(' in found.body


@pytest.mark.parametrize("seed", range(2))
def test_random_days_in_random_ranges(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    lake = filled(tmp_path / "lake", chance, set(chance.sample(DAYS, 4)))
    keys = sorted(chance.sample(DAYS, 6))
    for name in ("scalar aggregate joined", "window frame", "not exists", "left join", "correlated subquery"):
        model = model_of(tmp_path, AT_ONCE[name])
        with closing(sandbox_of(model, lake)) as sandbox:
            together = answers_of_range(sandbox, windows(keys))
        assert together is not None
        assert {key: content(answer) for key, answer in together.items()} == alone(model, lake, keys)
