"""Rows of a database arrive when their count or greatest watermark has changed, and their content with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from batch_platform.schedules.watching import look
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform_tests.conftest import PASSWORD
from batch_platform_tests.snapshots.looking import DAY, EARLY, NOW, OTHER, Looker

SPEC = SourceSpec.model_validate(
    {"sql": {"url_from": "SHOP_DB", "table": "orders", "watermark": "placed_at", "zone": "UTC"}}
)


@pytest.fixture(params=["postgres", "sqlite"])
def shop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[sa.Engine]:
    """A database with an empty table of orders; the environment says where it is."""
    sqlite = request.param == "sqlite"
    address = f"sqlite:///{tmp_path / 'shop.db'}" if sqlite else request.getfixturevalue("postgres")
    monkeypatch.setenv("SHOP_DB", address)
    engine = sa.create_engine(sa.make_url(address).set(drivername="sqlite" if sqlite else "postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE orders (id INTEGER PRIMARY KEY, placed_at TIMESTAMP, price INTEGER)"))
    yield engine
    engine.dispose()


def say(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def test_rows_arrive_once_and_late_ones_once_more(shop: sa.Engine, tmp_path: Path) -> None:
    looker = Looker(SPEC, tmp_path)
    assert looker.arrived() == []
    say(
        shop,
        f"INSERT INTO orders VALUES (1, '{DAY} 00:00:00', 5), (2, '{DAY} 23:59:59', 6), (3, '{OTHER} 12:00:00', 7)",
        f"INSERT INTO orders VALUES (4, '{EARLY} 00:00:00', 5), (5, '2025-12-01 12:00:00', 9)",
    )
    assert looker.arrived() == [OTHER, DAY]
    assert looker.is_as_captured(DAY) and looker.book.seen[DAY].parts == 2 and looker.book.early == (EARLY,)
    say(shop, f"INSERT INTO orders VALUES (6, '{DAY} 10:00:00', 8)")
    assert looker.arrived() == [DAY] and looker.is_as_captured(DAY)


def test_a_row_that_came_and_went_is_no_arrival(shop: sa.Engine, tmp_path: Path) -> None:
    looker = Looker(SPEC, tmp_path)
    say(shop, f"INSERT INTO orders VALUES (1, '{DAY} 00:00:00', 5)")
    assert looker.arrived() == [DAY]
    say(shop, f"INSERT INTO orders VALUES (2, '{DAY} 10:00:00', 5)")
    assert looker.arrived(1) == []
    say(shop, "DELETE FROM orders WHERE id = 2")
    assert looker.arrived() == []


def test_a_day_without_rows_has_arrived_only_where_that_is_legal(shop: sa.Engine, tmp_path: Path) -> None:
    assert Looker(SPEC, tmp_path).arrived() == []
    legal = Looker(SPEC, tmp_path, empty_allowed=True)
    assert legal.arrived() == ["2026-01-07", OTHER, DAY] and legal.is_as_captured(DAY)


def test_a_table_that_is_not_there_is_told_without_the_address(shop: sa.Engine, tmp_path: Path) -> None:
    looker = Looker(SPEC, tmp_path)
    say(shop, "DROP TABLE orders")
    problem = look(looker.watched, looker.book, NOW).book.problem
    assert problem.startswith("SourceError: sql:orders: there is no such table") and PASSWORD not in problem


def test_a_database_that_is_away_is_told_without_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_DB", f"postgresql://me:{PASSWORD}@127.0.0.1:1/shop")
    looker = Looker(SPEC, tmp_path)
    problem = look(looker.watched, looker.book, NOW).book.problem
    assert problem.startswith("SourceError: sql:orders: the database says") and PASSWORD not in problem


def test_a_column_of_dates_is_watched_too(shop: sa.Engine, tmp_path: Path) -> None:
    say(shop, "CREATE TABLE visits (id INTEGER PRIMARY KEY, day DATE)")
    spec = SourceSpec.model_validate({"sql": {"url_from": "SHOP_DB", "table": "visits", "watermark": "day"}})
    looker = Looker(spec, tmp_path)
    say(shop, f"INSERT INTO visits VALUES (1, '{DAY}'), (2, '{OTHER}')")
    assert looker.arrived() == [OTHER, DAY] and looker.is_as_captured(OTHER)
