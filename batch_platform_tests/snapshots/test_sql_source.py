"""The sql source on a real PostgreSQL, by both drivers, and on SQLite: the right rows, types, and refusals."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from batch_platform.errors import ConfigurationError, SourceError, is_transient
from batch_platform.partitions import Window
from batch_platform.snapshots import sql_session
from batch_platform_tests.conftest import PASSWORD
from batch_platform_tests.snapshots.asking import BERLIN, DAY, KEY, ask, refused

DB = "SHOP_DB"
COLUMNS = {"id": "BIGINT", "amount": "DECIMAL(12,2)", "at": "TIMESTAMPTZ", "note": "VARCHAR"}


@pytest.fixture(params=["adbc", "psycopg"])
def driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way to PostgreSQL in turn."""
    if request.param == "psycopg":
        monkeypatch.setattr(sql_session, "find_spec", lambda name: None)
    else:
        assert find_spec("adbc_driver_postgresql") is not None
    name: str = request.param
    return name


@pytest.fixture
def shop(postgres: str, driver: str, monkeypatch: pytest.MonkeyPatch) -> psycopg.Connection[Any]:
    """A connection to a database to which `SHOP_DB` leads."""
    monkeypatch.setenv(DB, postgres)
    return psycopg.connect(postgres, autocommit=True)


def orders(shop: psycopg.Connection[Any]) -> None:
    """Sixty hours of orders from the fourth of January on, in Berlin's time, one in each."""
    shop.execute(
        "create table orders (id bigint primary key, amount numeric(12,2), at timestamptz not null, "
        "wall timestamp, day date, note text)"
    )
    shop.execute(
        "insert into orders select i, i / 4.0, t, t at time zone 'Europe/Berlin', "
        "(t at time zone 'Europe/Berlin')::date, 'order ' || i from "
        "(select i, timestamptz '2026-01-04 00:00+01' + i * interval '1 hour' t from generate_series(0, 59) i) s"
    )


def of_table(**fields: Any) -> dict[str, Any]:
    return {"sql": {"url_from": DB, "table": "orders", **fields}}


def of_query(query: str, **fields: Any) -> dict[str, Any]:
    return {"sql": {"url_from": DB, "query": query, **fields}}


def test_the_rows_of_the_window_are_read_with_their_types_in_the_order_of_the_key(
    shop: psycopg.Connection[Any],
) -> None:
    orders(shop)
    shop.execute("create view seen as select * from orders")
    assert ask({"sql": {"url_from": DB, "table": "public.seen", "watermark": "at"}}).table.num_rows == 24
    extract = ask(of_table(watermark="at"))
    assert extract.table.column("id").to_pylist() == list(range(24, 48))
    assert extract.table.schema.names == ["id", "amount", "at", "wall", "day", "note", "_source_file", "_source_row"]
    assert extract.table.schema.types == [
        pa.int64(),
        pa.decimal128(12, 2),
        pa.timestamp("us", "UTC"),
        pa.timestamp("us"),
        pa.date32(),
        pa.string(),
        pa.string(),
        pa.int64(),
    ]
    first = extract.table.slice(0, 1).to_pylist()[0]
    assert first == {
        "id": 24,
        "amount": Decimal("6.00"),
        "at": datetime(2026, 1, 4, 23, tzinfo=UTC),
        "wall": datetime(2026, 1, 5),
        "day": date(2026, 1, 5),
        "note": "order 24",
        "_source_file": "sql:orders",
        "_source_row": 1,
    }
    assert [file.path for file in extract.files] == ["sql:orders"]


@pytest.mark.parametrize("mark", [{"watermark": "wall", "zone": "Europe/Berlin"}, {"watermark": "day"}])
def test_times_without_zone_and_dates_give_the_same_rows(shop: psycopg.Connection[Any], mark: dict[str, str]) -> None:
    orders(shop)
    assert ask(of_table(**mark)).table.equals(ask(of_table(watermark="at")).table)


def test_declared_columns_are_cast_and_others_are_named(shop: psycopg.Connection[Any]) -> None:
    orders(shop)
    extract = ask(of_table(watermark="day") | {"columns": {"amount": "DOUBLE", "id": "INTEGER"}})
    assert extract.table.schema.names == ["amount", "id", "_source_file", "_source_row"]
    assert extract.table.schema.types[:2] == [pa.float64(), pa.int32()]
    assert extract.extra_columns == ("at", "day", "note", "wall")


def test_rows_in_another_order_give_the_same_digest(shop: psycopg.Connection[Any]) -> None:
    shop.execute("create table orders (note text, at timestamptz)")
    rows = ["('b', '2026-01-05 03:00Z')", "('B', '2026-01-05 01:00Z')", "('ä', '2026-01-05 02:00Z')"]
    shop.execute(f"insert into orders values {', '.join(rows)}")
    first = ask(of_table(watermark="at"))
    shop.execute("truncate orders")
    shop.execute(f"insert into orders values {', '.join(reversed(rows))}")
    again = ask(of_table(watermark="at"))
    assert first.table.equals(again.table) and first.files == again.files
    assert first.table.column("note").to_pylist() == ["B", "b", "ä"]
    by_time = ask(of_table(watermark="at", order_by=["at"]))
    assert by_time.table.column("note").to_pylist() == ["B", "ä", "b"]
    assert by_time.files == first.files


def test_changed_rows_change_the_digest(shop: psycopg.Connection[Any]) -> None:
    orders(shop)
    first = ask(of_table(watermark="at")).files
    shop.execute("update orders set note = null where id = 59")
    assert ask(of_table(watermark="at")).files == first
    shop.execute("update orders set note = null where id = 30")
    assert ask(of_table(watermark="at")).files != first


def test_a_table_without_watermark_is_read_whole(shop: psycopg.Connection[Any]) -> None:
    orders(shop)
    assert ask(of_table()).table.num_rows == ask(of_table(), key=None).table.num_rows == 60


def test_a_query_gets_its_parameters_bound(shop: psycopg.Connection[Any]) -> None:
    orders(shop)
    key = "2026-01-05' or true --"
    query = (
        "select id, CAST(:partition_key AS text) as key from orders "
        "where at >= :start and at < :end and note like 'order%';"
    )
    extract = ask(of_query(query), key=key)
    assert extract.table.column("id").to_pylist() == list(range(24, 48))
    assert set(extract.table.column("key").to_pylist()) == {key}
    walls = "select id, CAST(:partition_key AS text) as key from orders where wall >= :start and wall < :end"
    assert ask(of_query(walls, zone="Europe/Berlin"), key=key).table.equals(extract.table)


def test_types_of_postgres_that_have_no_counterpart_are_texts_in_a_table(shop: psycopg.Connection[Any]) -> None:
    shop.execute("create type mood as enum ('glad', 'sad')")
    shop.execute(
        "create table orders (small smallint, medium integer, single real, double double precision, flag boolean, "
        "bytes bytea, tags text[], document jsonb, identity uuid, mood mood)"
    )
    shop.execute(
        """insert into orders values (1, 2, 0.1, 0.1, true, '\\xde', '{a,null}', '{"b": 1, "a": 1.50}',
        '12345678-1234-1234-1234-123456789012', 'sad')"""
    )
    table = ask(of_table(), key=None).table
    assert table.schema.types[:-2] == [
        pa.int16(),
        pa.int32(),
        pa.float32(),
        pa.float64(),
        pa.bool_(),
        pa.binary(),
        pa.list_(pa.string()),
        pa.string(),
        pa.string(),
        pa.string(),
    ]
    assert [table.column(name)[0].as_py() for name in ("bytes", "tags", "document", "identity", "mood")] == [
        b"\xde",
        ["a", None],
        '{"a": 1.50, "b": 1}',
        "12345678-1234-1234-1234-123456789012",
        "sad",
    ]


def test_a_partition_without_rows_has_its_columns(shop: psycopg.Connection[Any]) -> None:
    orders(shop)
    extract = ask(of_query("select id, amount, at from orders where false"))
    assert extract.table.num_rows == 0
    assert extract.table.schema.types[:3] == [pa.int64(), pa.decimal128(12, 2), pa.timestamp("us", "UTC")]


@pytest.mark.parametrize("count", [32_768, 70_000])
def test_rows_arrive_in_batches_and_none_is_lost(shop: psycopg.Connection[Any], count: int) -> None:
    query = f"select i::bigint as id, repeat('x', 20) as text from generate_series(1, {count}) i"
    table = ask(of_query(query), key=None).table
    assert table.column("id").to_pylist() == list(range(1, count + 1))


def test_all_that_a_transaction_reads_was_committed_at_one_moment(
    shop: psycopg.Connection[Any], postgres: str, driver: str
) -> None:
    import sqlalchemy as sa

    orders(shop)
    engine = sa.create_engine(postgres.replace("postgresql:", "postgresql+psycopg:"))
    count = sa.text("select count(*) as n from orders")
    with sql_session.session(engine, "sql:orders") as transaction:

        def counted() -> int:
            found = transaction.read(count, None)
            return int(next(found.batches).column(0)[0].as_py())

        before = counted()
        shop.execute("delete from orders")
        assert counted() == before == 60
    engine.dispose()


def test_null_watermarks_are_told_unless_they_are_to_be_skipped(shop: psycopg.Connection[Any]) -> None:
    orders(shop)
    shop.execute("insert into orders values (100, 1, '2026-01-05 12:00Z', null, null, null)")
    refused(SourceError, "some rows have no watermark: 'day' is null", "skipped", source=of_table(watermark="day"))
    assert ask(of_table(watermark="day", null_watermarks="skipped")).table.num_rows == 24
    assert ask(of_table(watermark="at")).table.num_rows == 25


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        (of_table(watermark="wall"), ["the watermark is a time without zone", "declare `zone`"]),
        (of_table(watermark="at", zone="UTC"), ["the watermark has a time zone of its own"]),
        (of_table(watermark="id"), ["the watermark is BIGINT; expected a time or a date"]),
        (of_table(watermark="note"), ["the watermark is VARCHAR"]),
        (of_table(watermark="day", zone="UTC"), ["the watermark is a date, and a partition begins within a day"]),
    ],
)
def test_a_watermark_that_cannot_be_compared_is_refused(
    shop: psycopg.Connection[Any], source: dict[str, Any], parts: list[str]
) -> None:
    orders(shop)
    refused(ConfigurationError, "sql:orders", *parts, source=source)


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ({"sql": {"url_from": DB, "table": "nope"}}, ["sql:nope: there is no such table or view"]),
        (of_table(watermark="nope"), ["missing column 'nope'; the table has 'id', 'amount'"]),
        (of_table() | {"columns": {"nope": "DATE"}}, ["missing column 'nope'; the table has"]),
        (of_table() | {"columns": {"note": "BIGINT"}}, ["column 'note' is text; expected BIGINT"]),
        (of_table() | {"columns": {"id": "VARCHAR"}}, ["column 'id' is bigint; expected VARCHAR"]),
        (of_table() | {"columns": {"amount": "BIGINT"}}, ["column 'amount': '0.25' is not BIGINT"]),
        (of_table(order_by=["nope"]), ["missing column 'nope'", "correct `order_by`"]),
        (of_query("select id, id from orders"), ["the column 'id' appears more than once"]),
        (of_query("select amount * 1.1 as a from orders"), ["column 'a' is numeric", "declare `columns`"]),
        (of_query("select interval '1 day' as a"), ["column 'a' is interval", "cast it in a query"]),
        (of_query("select 'infinity'::timestamptz as a"), ["sql:query: "]),
        (of_query("select id from nope"), ["the database says: ", 'relation "nope" does not exist']),
        (of_query("select 1 / 0 as a"), ["division by zero"]),
        (of_query("with x as (delete from orders returning id) select id from x"), ["sql:query: the database says"]),
    ],
)
def test_what_the_database_does_not_have_is_told(
    shop: psycopg.Connection[Any], source: dict[str, Any], parts: list[str]
) -> None:
    orders(shop)
    refused(SourceError, *parts, source=source)
    assert shop.execute("select count(*) from orders").fetchone() == (60,)


def test_parameters_and_watermarks_need_partitions(shop: psycopg.Connection[Any]) -> None:
    orders(shop)
    for source in (of_table(watermark="at"), of_query("select id from orders where at < :end")):
        refused(ConfigurationError, "but the snapshot has no partitions", source=source, key=None)


def test_a_lost_connection_may_be_there_again(shop: psycopg.Connection[Any]) -> None:
    source = of_query("select pg_terminate_backend(pg_backend_pid()) as gone")
    refused(SourceError, "the database says", source=source, transient=True)


@pytest.mark.parametrize("source", [of_table(), of_query("select 1 as a")])
def test_an_unreachable_database_is_told_without_its_password(
    driver: str, monkeypatch: pytest.MonkeyPatch, source: dict[str, Any]
) -> None:
    if driver == "psycopg":
        monkeypatch.setattr(sql_session, "find_spec", lambda name: None)
    monkeypatch.setenv(DB, f"postgresql://shop:{PASSWORD}@127.0.0.1:1/shop")
    message = refused(SourceError, "Connection refused", source=source, transient=True)
    assert PASSWORD not in message


def test_errors_do_not_drag_the_password_along(shop: psycopg.Connection[Any], postgres: str) -> None:
    with pytest.raises(SourceError) as raised:
        ask(of_query("select * from nope"))
    error: BaseException | None = raised.value
    assert error.__cause__ is None and error.__suppress_context__
    assert not is_transient(raised.value)
    assert PASSWORD in postgres and PASSWORD not in str(error)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "the environment variable SHOP_DB is not set"),
        ("", "the environment variable SHOP_DB is not set"),
        (PASSWORD, "SHOP_DB holds no address that SQLAlchemy understands"),
        (f"nosuch://me:{PASSWORD}@host/db", "a database that SQLAlchemy does not know: nosuch"),
    ],
)
def test_a_variable_without_an_address_is_told(
    monkeypatch: pytest.MonkeyPatch, value: str | None, message: str
) -> None:
    monkeypatch.delenv(DB, raising=False)
    if value is not None:
        monkeypatch.setenv(DB, value)
    assert PASSWORD not in refused(ConfigurationError, message, source=of_table())


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sqlite3.Connection:
    """A connection to a SQLite database to which `SHOP_DB` leads."""
    monkeypatch.setenv(DB, f"sqlite:///{tmp_path / 'shop.db'}")
    return sqlite3.connect(tmp_path / "shop.db", isolation_level=None)


def test_sqlite_gives_the_rows_of_the_window_however_midnight_is_written(file: sqlite3.Connection) -> None:
    file.execute(
        "create table orders (id integer primary key, amount numeric(12,2), wall datetime, day date, f boolean)"
    )
    walls = ["2026-01-04 23:59:59.999999", "2026-01-05 00:00:00", "2026-01-05 00:00:00.000000", "2026-01-05 23:59"]
    walls += ["2026-01-06 00:00:00", "2026-01-06 00:00:00.000000"]
    file.executemany(
        "insert into orders values (?, 1.25, ?, ?, 1)", [(row, wall, wall[:10]) for row, wall in enumerate(walls)]
    )
    extract = ask(of_table(watermark="wall", zone="Europe/Berlin"))
    assert extract.table.column("id").to_pylist() == [1, 2, 3]
    assert extract.table.schema.types[:5] == [
        pa.int64(),
        pa.decimal128(12, 2),
        pa.timestamp("us"),
        pa.date32(),
        pa.bool_(),
    ]
    assert ask(of_table(watermark="day")).table.equals(extract.table)


@pytest.mark.parametrize("wall", ["2026-01-05T12:00:00", "2026-01-05 12:00:00+01:00", "5.1.2026", 1767610800])
def test_sqlite_times_that_do_not_compare_are_refused(file: sqlite3.Connection, wall: object) -> None:
    file.execute("create table orders (id integer, wall datetime)")
    file.execute("insert into orders values (1, ?)", (wall,))
    source = of_table(watermark="wall", zone="UTC")
    refused(SourceError, "some watermarks are not written like 2026-01-05 06:00:00", source=source)


def test_a_query_of_sqlite_needs_declared_columns_and_reads_texts_as_them(file: sqlite3.Connection) -> None:
    file.execute("create table orders (id, wall text, flag)")
    file.execute("insert into orders values (1, '2026-01-05 12:00:00', 1)")
    query = "select id, wall, flag from orders where wall >= :start and wall < :end"
    refused(SourceError, "column 'id' is of an unknown type", "declare `columns`", source=of_query(query))
    columns = {"wall": "TIMESTAMP", "flag": "BOOLEAN", "id": "BIGINT"}
    row = ask(of_query(query) | {"columns": columns}).table.to_pylist()[0]
    assert (row["id"], row["wall"], row["flag"]) == (1, datetime(2026, 1, 5, 12), True)
    wrong = {"columns": columns | {"id": "BOOLEAN", "flag": "DATE"}}
    refused(SourceError, "column 'flag': 1 is not DATE", source=of_query(query) | wrong)


def test_sqlite_values_that_are_not_of_their_column_are_refused(file: sqlite3.Connection) -> None:
    file.execute("create table orders (id integer, day date)")
    file.execute("insert into orders values ('many', '2026-01-05')")
    refused(SourceError, "sql:orders: column 'id': a value is not integer", source=of_table(), key=None)


def test_a_sqlite_database_that_is_not_there_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DB, f"sqlite:///{tmp_path / 'none.db'}")
    refused(SourceError, "none.db: there is no such SQLite database", source=of_table())
    assert not (tmp_path / "none.db").exists()


def test_sqlite_is_only_read(file: sqlite3.Connection) -> None:
    file.execute("create table orders (id integer)")
    file.execute("insert into orders values (1)")
    query = "with x as (select 1) insert into orders select * from x returning id"
    refused(SourceError, "readonly database", source=of_query(query) | {"columns": {"id": "BIGINT"}}, key=None)
    assert file.execute("select count(*) from orders").fetchone() == (1,)


@pytest.mark.slow
def test_hours_of_the_autumn_change_are_read_once(shop: psycopg.Connection[Any]) -> None:
    orders(shop)
    shop.execute("delete from orders")
    first = datetime(2026, 10, 24, 22, tzinfo=UTC)
    moments = [first + timedelta(minutes=30 * step) for step in range(12)]
    for row, moment in enumerate(moments):
        wall = moment.astimezone(BERLIN).replace(tzinfo=None)
        shop.execute("insert into orders values (%s, 1, %s, %s, null, null)", (row, moment, wall))
    for mark in ({"watermark": "at"}, {"watermark": "wall", "zone": "Europe/Berlin"}):
        found = []
        for hour in range(6):
            start = first + timedelta(hours=hour)
            window = Window(start.astimezone(BERLIN), (start + timedelta(hours=1)).astimezone(BERLIN))
            found += ask(of_table(**mark), key=KEY, window=window).table.column("id").to_pylist()
        assert sorted(found) == list(range(12))
    assert DAY.start.tzinfo is BERLIN
