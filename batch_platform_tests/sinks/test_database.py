"""The database sink on PostgreSQL and SQLite: what is there afterwards is the partition, whatever was there before."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateTable

from batch_platform.errors import ConfigurationError, DeliveryError
from batch_platform.secret_values import Secrets
from batch_platform.settings import Settings
from batch_platform.sinks.database import DatabaseTarget
from batch_platform.sinks.database_tables import target_table
from batch_platform.sinks.declared import DatabaseSink, Mode
from batch_platform_tests.conftest import PASSWORD
from batch_platform_tests.sinks.conftest import free_port
from batch_platform_tests.sinks.rows import (
    MOMENT,
    MON,
    SCHEMA,
    TUE,
    delivery,
    killed_in_mid_delivery,
    nothing_known,
    row,
    rows,
)

SINK = DatabaseSink("SCORES_DATABASE", "flights")
ALL = pa.concat_tables([rows(1, 2), nothing_known(3)])


def opened(address: str, declared: DatabaseSink = SINK) -> DatabaseTarget:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCORES_DATABASE", address)
        return DatabaseTarget(declared, Secrets())


def deliver(
    address: str, content: pa.Table, partition: str = MON, declared: DatabaseSink = SINK, batch: int = 2
) -> int:
    sink = opened(address, declared)
    try:
        return sink.deliver(delivery(content, partition), iter(content.to_batches(max_chunksize=batch)))
    finally:
        sink.close()


def run(address: str, statement: str) -> list[dict[str, Any]]:
    engine = sa.create_engine(address)
    try:
        with engine.begin() as connection:
            found = connection.execute(sa.text(statement))
            return [dict(one) for one in found.mappings()] if found.returns_rows else []
    finally:
        engine.dispose()


def keys(address: str, table: str = "flights") -> set[tuple[str, int]]:
    return {(one["partition_key"], one["flight_id"]) for one in run(address, f"SELECT * FROM {table}")}


def test_postgresql_holds_every_type(postgres: str) -> None:
    assert deliver(postgres, ALL) == 3
    found = run(postgres, "SELECT * FROM flights ORDER BY flight_id")
    assert found == [
        {"partition_key": MON, **one} for one in (row(1), row(2), dict.fromkeys(SCHEMA.names) | {"flight_id": 3})
    ]
    assert run(postgres, "SELECT pg_typeof(embedding)::text AS kind FROM flights LIMIT 1") == [{"kind": "jsonb"}]


def test_sqlite_holds_every_type_with_moments_in_utc_and_decimals_as_text(sqlite: str) -> None:
    assert deliver(sqlite, ALL) == 3
    found = run(sqlite, "SELECT * FROM flights ORDER BY flight_id")
    moment = "2025-01-06 23:59:59.123456"
    changed = {
        "day": "2025-01-06", "scheduled": moment, "wall_clock": moment, "fare": "12345678.90",
        "embedding": "[0.5, null, 1.5]",
    }  # fmt: skip
    assert found[1] == {"partition_key": MON, **row(2), **changed, "on_time": 1}
    assert found[2] == {"partition_key": MON, **dict.fromkeys(SCHEMA.names), "flight_id": 3}


@pytest.mark.parametrize("mode", list(Mode))
def test_a_partition_is_replaced_and_its_neighbours_stay(mode: Mode, database: str) -> None:
    declared = DatabaseSink("SCORES_DATABASE", "flights", mode)
    deliver(database, rows(1, 2, 3), MON, declared)
    deliver(database, rows(1, 2), TUE, declared)
    deliver(database, pa.concat_tables([rows(2, late=0.75), rows(3, 4)]), MON, declared)
    assert keys(database) == {(MON, 2), (MON, 3), (MON, 4), (TUE, 1), (TUE, 2)}
    late = run(database, f"SELECT late_probability FROM flights WHERE partition_key = '{MON}' AND flight_id = 2")
    assert late == [{"late_probability": 0.75}]
    deliver(database, SCHEMA.empty_table(), MON, declared)
    assert keys(database) == {(TUE, 1), (TUE, 2)}


def test_delivering_twice_touches_no_row(database: str) -> None:
    """A trigger sees every row that is written, whether or not it changes."""
    deliver(database, ALL)
    run(database, "CREATE TABLE touched (n INTEGER)")
    if database.startswith("sqlite"):
        for event in ("INSERT", "UPDATE", "DELETE"):
            body = "BEGIN INSERT INTO touched VALUES (1); END"
            run(database, f"CREATE TRIGGER on_{event} AFTER {event} ON flights {body}")
    else:
        body = "BEGIN INSERT INTO touched VALUES (1); RETURN NULL; END"
        run(database, f"CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS '{body}'")
        run(
            database,
            "CREATE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON flights FOR EACH ROW EXECUTE FUNCTION touch()",
        )
    deliver(database, ALL)
    assert run(database, "SELECT * FROM touched") == []
    deliver(database, rows(1, 2))
    assert len(run(database, "SELECT * FROM touched")) == 1


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from([MON, TUE]), st.dictionaries(st.integers(0, 6), st.sampled_from([0.25, 0.75]))),
        max_size=5,
    )
)
def test_after_any_deliveries_each_partition_is_what_came_last(
    database: str, steps: list[tuple[str, dict[int, float]]]
) -> None:
    expected: dict[str, dict[int, float]] = {}
    deliver(database, SCHEMA.empty_table(), MON)
    run(database, "DELETE FROM flights")
    for partition, content in steps:
        expected[partition] = content
        tables = [rows(number, late=late) for number, late in content.items()]
        deliver(database, pa.concat_tables(tables) if tables else SCHEMA.empty_table(), partition)
    found: dict[str, dict[int, float]] = {}
    for one in run(database, "SELECT partition_key, flight_id, late_probability FROM flights"):
        found.setdefault(one["partition_key"], {})[one["flight_id"]] = one["late_probability"]
    assert found == {partition: content for partition, content in expected.items() if content}


def test_a_table_of_keys_alone(database: str) -> None:
    content = pa.table({"flight_id": pa.array([1, 2])})
    assert deliver(database, content) == 2
    assert deliver(database, content.slice(1)) == 1
    assert keys(database) == {(MON, 2)}


def test_a_schema_is_made_with_the_table(postgres: str) -> None:
    deliver(postgres, ALL, declared=DatabaseSink("SCORES_DATABASE", "scores.Flights"))
    assert len(keys(postgres, 'scores."Flights"')) == 3


def test_a_delivery_that_is_killed_changes_nothing_and_the_next_one_completes_it(
    database: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCORES_DATABASE", database)
    deliver(database, rows(1, 50))
    many = rows(*range(20), late=0.75)
    for declared in (SINK, DatabaseSink("SCORES_DATABASE", "flights", Mode.REPLACE)):
        killed_in_mid_delivery(declared, settings, many)
        assert keys(database) == {(MON, 1), (MON, 50)}
    deliver(database, many)
    assert keys(database) == {(MON, number) for number in range(20)}


@pytest.mark.parametrize("mode", list(Mode))
def test_deliveries_at_the_same_moment_leave_the_rows_of_one_of_them(mode: Mode, database: str) -> None:
    declared = DatabaseSink("SCORES_DATABASE", "flights", mode)
    start = threading.Barrier(4)

    def race(racer: int) -> None:
        sink = opened(database, declared)
        content = rows(*range(10 * racer, 10 * racer + 5))
        start.wait(30)
        sink.deliver(delivery(content), iter(content.to_batches(max_chunksize=2)))
        sink.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(race, range(4)))
    found = {number for _, number in keys(database)}
    assert found in [set(range(10 * racer, 10 * racer + 5)) for racer in range(4)]


def test_moments_are_not_put_into_a_column_without_zone(postgres: str) -> None:
    run(
        postgres,
        "CREATE TABLE flights (partition_key TEXT, flight_id BIGINT, at TIMESTAMP, UNIQUE (partition_key, flight_id))",
    )
    content = pa.table({"flight_id": [1], "at": pa.array([MOMENT], pa.timestamp("us", "UTC"))})
    with pytest.raises(
        ConfigurationError, match="column 'at' is TIMESTAMP, and its values are timestamp with time zone"
    ):
        deliver(postgres, content)


def test_rows_that_cannot_be_read_leave_the_earlier_ones(database: str) -> None:
    deliver(database, rows(1))

    def torn() -> Iterator[pa.RecordBatch]:
        yield from rows(2).to_batches()
        raise ValueError("cut short")

    sink = opened(database)
    with pytest.raises(ValueError, match="cut short"):
        sink.deliver(delivery(rows(2)), torn())
    assert keys(database) == {(MON, 1)}
    sink.deliver(delivery(rows(2)), iter(rows(2).to_batches()))
    sink.close()
    assert keys(database) == {(MON, 2)}


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("partition_key TEXT, flight_id BIGINT, PRIMARY KEY (partition_key, flight_id)", "no column 'late'"),
        (
            "partition_key TEXT, flight_id BIGINT, late TIMESTAMP, PRIMARY KEY (partition_key, flight_id)",
            "column 'late' is TIMESTAMP, and its values are float",
        ),
        (
            "partition_key TEXT, flight_id BIGINT, late REAL, PRIMARY KEY (flight_id)",
            "no primary or unique key of partition_key, flight_id",
        ),
        (
            "partition_key TEXT, flight_id BIGINT, late REAL, x INTEGER NOT NULL, UNIQUE (flight_id, partition_key)",
            "column 'x' must not be null",
        ),
    ],
)
def test_a_table_of_another_shape_is_refused(table: str, told: str, database: str) -> None:
    run(database, f"CREATE TABLE flights ({table})")
    content = pa.table({"flight_id": [1], "late": [0.5]})
    with pytest.raises(ConfigurationError, match=f"sink 'database', table flights: {told}"):
        deliver(database, content)


def test_a_table_that_fits_is_used_with_its_further_columns(database: str) -> None:
    columns = (
        "partition_key VARCHAR(20), flight_id INTEGER, late NUMERIC(9, 3), note TEXT, x INTEGER NOT NULL DEFAULT 5"
    )
    run(database, f"CREATE TABLE flights ({columns}, UNIQUE (flight_id, partition_key))")
    deliver(database, pa.table({"flight_id": [1], "late": [0.5]}))
    assert [(one["note"], one["x"], float(one["late"])) for one in run(database, "SELECT * FROM flights")] == [
        (None, 5, 0.5)
    ]


def test_names_of_columns_cannot_end_an_identifier(database: str) -> None:
    content = pa.table({"flight_id": [1], 'a"; DROP TABLE x; --': ["b"], "select": [None], "%s %(a)s :b": [1.5]})
    content = content.set_column(2, "select", pa.array([None], pa.string()))
    for _ in range(2):
        deliver(database, content)
    assert run(database, "SELECT * FROM flights") == [{"partition_key": MON, **content.to_pylist()[0]}]


def test_a_server_that_is_away_is_told_without_the_password(sqlite: str) -> None:
    away = f"postgresql://scorer:{PASSWORD}@127.0.0.1:{free_port()}/scores"
    with pytest.raises(DeliveryError, match=rf"sink 'database', predictions/flights\[{MON}\]: the database") as caught:
        deliver(away, ALL)
    assert caught.value.transient
    assert PASSWORD not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_refused_row_is_told_in_one_line_without_the_rows(postgres: str) -> None:
    deliver(postgres, rows(1))
    run(postgres, "ALTER TABLE flights ADD CONSTRAINT small CHECK (flight_id < 10)")
    with pytest.raises(DeliveryError, match='violates check constraint "small"') as caught:
        deliver(postgres, rows(77))
    assert not caught.value.transient
    assert "INSERT" not in str(caught.value)
    assert "77" not in str(caught.value)
    assert keys(postgres) == {(MON, 1)}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (f"no address but {PASSWORD}", "holds no address that SQLAlchemy understands"),
        (f"nosuch://user:{PASSWORD}@host/db", "holds an address of a database that SQLAlchemy does not know: nosuch"),
        (f"mysql+pymysql://user:{PASSWORD}@host/db", "needs the driver pymysql"),
    ],
)
def test_an_address_that_means_nothing_is_refused_and_not_repeated(value: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"SCORES_DATABASE {told}") as caught:
        opened(value)
    assert PASSWORD not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_variable_that_is_not_set_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCORES_DATABASE", raising=False)
    with pytest.raises(ConfigurationError, match="the environment variable SCORES_DATABASE is not set"):
        DatabaseTarget(SINK, Secrets())


def test_other_databases_get_keys_of_a_known_length_and_exact_moments() -> None:
    table = target_table(SINK, delivery(ALL, key=("carrier",)))
    told = str(CreateTable(table).compile(dialect=mysql.dialect()))
    assert "partition_key VARCHAR(190) NOT NULL" in told
    assert "carrier VARCHAR(190) NOT NULL" in told
    assert "scheduled DATETIME(6)" in told
    assert "PRIMARY KEY (partition_key, carrier)" in told


def test_moments_before_1970_and_wide_decimals_survive(postgres: str) -> None:
    moment = datetime(1901, 2, 3, 4, 5, 6, 7, UTC)
    content = pa.table(
        {
            "flight_id": [1],
            "then": pa.array([moment], pa.timestamp("us", "UTC")),
            "exact": pa.array([Decimal("1234567890123456789012345678.1234567890")], pa.decimal128(38, 10)),
            "odd": pa.array([float("nan")]),
            "far": pa.array([float("-inf")], pa.float32()),
            "scores": pa.array([[float("nan"), 1.0]]),
        }
    )
    deliver(postgres, content)
    found = run(postgres, "SELECT * FROM flights")[0]
    assert found["then"] == moment
    assert found["then"] != MOMENT
    assert found["exact"] == Decimal("1234567890123456789012345678.1234567890")
    assert json.dumps([found["odd"], found["far"], found["scores"]]) == "[NaN, -Infinity, [null, 1.0]]"
