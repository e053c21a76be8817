"""Nothing has arrived before it looked the same for long enough, and then only its content decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from batch_platform.errors import SourceError
from batch_platform.partitions import Cadence, Calendar, Offset, Window
from batch_platform.schedules.arrival_book import ArrivalBook, Asked
from batch_platform.schedules.rules import Rules
from batch_platform.schedules.scheduled import Scheduled
from batch_platform.schedules.watching import AHEAD, Glimpse, Look, Watched, Windows, early_keys, look, watched_keys

NOW = datetime(2026, 1, 10, 6, tzinfo=UTC)
DAYS = Calendar(Cadence.DAILY, "2025-06-01")
TABLE = Scheduled(
    "snapshots/flights",
    DAYS,
    Offset.parse("+1d"),
    Rules.declared(Cadence.DAILY, "flights", horizon="3 days", lookback="5 days"),
    source=True,
)


@dataclass
class Shelf:
    """A source in memory: partition -> token and content."""

    holds: dict[str, tuple[str, str]] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)
    broken: Exception | None = None
    unreadable: Mapping[str, Exception] = field(default_factory=dict)
    moving: bool = False

    def glimpse(self, windows: Windows, ahead: Windows) -> Mapping[str, Glimpse]:
        if self.broken is not None:
            raise self.broken
        return {key: Glimpse(token) for key, (token, _) in self.holds.items() if key in windows or key in ahead}

    def contents(self, key: str, window: Window | None) -> Mapping[str, str] | None:
        self.read.append(key)
        if key in self.unreadable:
            raise self.unreadable[key]
        content = self.holds[key][1]
        return None if self.moving else {"file": content} if content else {}


def after(seconds: float, shelf: Shelf, book: ArrivalBook, table: Scheduled = TABLE) -> Look:
    return look(Watched(table, shelf), book, NOW + timedelta(seconds=seconds))


def test_what_looks_the_same_for_long_enough_has_arrived_once() -> None:
    shelf = Shelf({"2026-01-09": ("1", "a")})
    first = after(0, shelf, ArrivalBook())
    soon = after(7, shelf, first.book)
    then = after(10, shelf, soon.book)
    assert (first.arrived, soon.arrived, then.arrived) == ((), (), ("2026-01-09",))
    again = after(20, shelf, then.book)
    assert again.arrived == () and again.book == then.book and shelf.read == ["2026-01-09"]


def test_what_goes_on_changing_has_not_arrived() -> None:
    shelf, book = Shelf(), ArrivalBook()
    for second in range(0, 100, 10):
        shelf.holds["2026-01-09"] = (str(second), "half")
        result = after(second, shelf, book)
        book = result.book
        assert result.arrived == ()
    assert shelf.read == []
    assert after(110, shelf, book).arrived == ("2026-01-09",)


def test_a_touch_is_no_arrival_and_a_correction_is_exactly_one() -> None:
    shelf = Shelf({"2026-01-09": ("1", "a")})
    book = after(10, shelf, after(0, shelf, ArrivalBook()).book).book
    found = []
    for second, holds in ((20, ("2", "a")), (30, ("2", "a")), (40, ("3", "b")), (50, ("3", "b")), (60, ("3", "b"))):
        shelf.holds["2026-01-09"] = holds
        result = after(second, shelf, book)
        book = result.book
        found += [(second, key) for key in result.arrived]
    assert found == [(50, "2026-01-09")]


def test_what_changes_while_it_is_read_is_looked_at_again() -> None:
    shelf = Shelf({"2026-01-09": ("1", "a")}, moving=True)
    book = after(10, shelf, after(0, shelf, ArrivalBook()).book).book
    assert not book.seen["2026-01-09"].settled
    shelf.moving = False
    assert after(20, shelf, book).arrived == ("2026-01-09",)


def test_what_turns_out_to_hold_nothing_has_not_arrived_and_is_read_once() -> None:
    shelf = Shelf({"2026-01-09": ("1", "")})
    book = ArrivalBook()
    for second in (0, 10, 20, 30):
        result = after(second, shelf, book)
        book = result.book
        assert result.arrived == ()
    assert shelf.read == ["2026-01-09"]


def test_a_clock_that_is_set_back_makes_nothing_wait_for_it() -> None:
    shelf = Shelf({"2026-01-09": ("1", "a")})
    book = after(0, shelf, after(3600, shelf, ArrivalBook()).book).book
    assert after(10, shelf, book).arrived == ("2026-01-09",)


def test_partitions_are_watched_as_far_back_as_any_is_made_and_older_ones_when_asked_for() -> None:
    recent = ["2026-01-05", "2026-01-06", "2026-01-07", "2026-01-08", "2026-01-09"]
    assert watched_keys(TABLE, ArrivalBook(), NOW) == recent
    asked = {"2025-07-01": Asked(1, 0), "2025-01-01": Asked(2, 0), "2026-01-10": Asked(3, 0)}
    assert watched_keys(TABLE, ArrivalBook(asked=asked), NOW) == ["2025-07-01", *recent]


def test_partitions_that_exist_already_are_watched_before_they_can_be_made() -> None:
    ahead = Scheduled("snapshots/flights", Calendar(Cadence.DAILY, "2025-06-01", ahead=2), TABLE.ready, TABLE.rules)
    assert watched_keys(ahead, ArrivalBook(), NOW)[-2:] == ["2026-01-10", "2026-01-11"]


def test_a_table_that_has_not_begun_has_nothing_to_watch_and_only_what_is_early() -> None:
    later = Scheduled("snapshots/flights", Calendar(Cadence.DAILY, "2026-03-01"), TABLE.ready, TABLE.rules)
    assert watched_keys(later, ArrivalBook(), NOW) == []
    assert early_keys(later, NOW)[0] == "2026-03-01" and len(early_keys(later, NOW)) == AHEAD


def test_what_comes_too_early_is_told_and_not_taken() -> None:
    shelf = Shelf({"2026-01-12": ("1", "a")})
    result = after(10, shelf, after(0, shelf, ArrivalBook()).book)
    assert result.book.early == ("2026-01-12",) and result.book.seen == {} and result.arrived == ()


def test_a_table_without_partitions_has_one() -> None:
    whole = Scheduled("snapshots/airports", None, Offset.parse("0d"), TABLE.rules, source=True)
    shelf = Shelf({"": ("1", "a")})
    assert after(10, shelf, after(0, shelf, ArrivalBook(), whole).book, whole).arrived == ("",)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SourceError("the database is away", where="sql:orders"), "SourceError: sql:orders: the database is away"),
        (OSError("connect to postgresql://me:secret@host"), "OSError while the source was looked at"),
    ],
)
def test_a_source_that_cannot_be_looked_at_is_told_without_secrets_and_what_was_known_stays(
    error: Exception, words: str
) -> None:
    shelf = Shelf({"2026-01-09": ("1", "a")})
    book = after(10, shelf, after(0, shelf, ArrivalBook()).book).book
    shelf.broken = error
    away = after(20, shelf, book)
    assert away.book.problem == words and away.book.seen == book.seen
    shelf.broken = None
    assert after(30, shelf, away.book).book == book


def test_a_partition_that_cannot_be_read_does_not_keep_the_others_from_arriving() -> None:
    shelf = Shelf({"2026-01-08": ("1", "a"), "2026-01-09": ("1", "a")})
    shelf.unreadable = {"2026-01-08": SourceError("cannot be read", where="in/a.csv")}
    result = after(10, shelf, after(0, shelf, ArrivalBook()).book)
    assert result.arrived == ("2026-01-09",) and result.book.problem == "SourceError: in/a.csv: cannot be read"
    shelf.unreadable = {}
    healed = after(20, shelf, result.book)
    assert healed.arrived == ("2026-01-08",) and healed.book.problem == ""


def test_a_source_that_cannot_be_watched_keeps_only_who_asked() -> None:
    asked = {"2025-07-01": Asked(1, 0)}
    result = look(Watched(TABLE, None), ArrivalBook(asked=asked, problem="old"), NOW)
    assert result.book == ArrivalBook(watched=False, asked=asked)
