"""What is remembered of alerts, and that it outlasts a restart."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from batch_platform.alerts.book import MOST_ENTRIES, MOST_SCOPE, Book, Entry, Told, Trouble
from batch_platform.alerts.book_text import from_text, to_text
from batch_platform.alerts.message import Message, Occasion
from batch_platform.alerts.severity import Severity
from batch_platform_tests.alerts.cases import DELAYS, HOUR, MINUTE, NOW, alerts, at, source_missing, state


def message(key: str, occasion: Occasion = Occasion.OPENED, address: str = "A") -> Message:
    return Message(key, "id", address, occasion, Severity.PAGE, "title", "body")


def test_an_alert_keeps_its_id_as_long_as_it_lasts_and_a_later_one_has_another() -> None:
    book = Book().seen(alerts(source_missing()), NOW)
    (entry,) = book.entries.values()
    later = book.seen(alerts(source_missing(), at(8)), at(8)).entries[entry.key]
    assert later.alert_id == entry.alert_id
    gone = book.seen((), at(9)).tidied([entry.key], frozenset())
    assert gone.entries == {}
    assert gone.seen(alerts(source_missing()), at(10)).entries[entry.key].alert_id != entry.alert_id


def test_what_is_good_again_is_so_since_it_was_first_seen() -> None:
    book = Book().seen(alerts(source_missing()), NOW).seen((), at(7)).seen((), at(8))
    (entry,) = book.entries.values()
    assert entry.healed == at(7)
    assert book.seen(alerts(source_missing()), at(9)).entries[entry.key].healed is None


def test_a_look_that_failed_heals_nothing() -> None:
    book = Book().seen(alerts(source_missing()), NOW).seen((), at(7), complete=False)
    assert [entry.healed for entry in book.entries.values()] == [None]


def test_an_alert_grows_when_it_is_about_more_and_not_when_it_is_about_less() -> None:
    both = [*source_missing(), *source_missing("2026-03-01")]
    book = Book().seen(alerts(both), NOW)
    (entry,) = book.seen(alerts(source_missing(), at(7)), at(7)).entries.values()
    assert entry.grew == NOW
    (entry,) = book.seen(alerts([*both, *source_missing("2026-02-28")], at(8)), at(8)).entries.values()
    assert entry.grew == at(8)


def test_what_an_alert_is_about_is_remembered_up_to_a_limit() -> None:
    states = [one for number in range(200) for one in source_missing(f"{number:04}")]
    (entry,) = Book().seen(alerts(states), NOW).entries.values()
    assert len(entry.scope) == MOST_SCOPE


def test_an_address_in_trouble_rests_twice_as_long_each_time_up_to_a_quarter_of_an_hour() -> None:
    book = Book().seen(alerts([state(DELAYS, due=at(6))]), NOW)
    pauses = []
    for _ in range(8):
        book = book.failed(message(DELAYS), "answered 500", NOW)
        pauses.append(book.troubles["A"].next_at - NOW)
    assert pauses[:4] == [timedelta(seconds=30), MINUTE, 2 * MINUTE, 4 * MINUTE]
    assert pauses[-1] == 15 * MINUTE
    assert book.entries[DELAYS].told["A"].attempts == 8
    assert book.delivered(message(DELAYS), NOW).troubles == {}


def test_who_was_told_that_it_is_over_is_told_anew_when_it_is_back() -> None:
    book = Book().seen(alerts([state(DELAYS, due=at(6))]), NOW).delivered(message(DELAYS), NOW)
    book = book.seen((), at(7)).delivered(message(DELAYS, Occasion.RESOLVED), at(8))
    assert book.entries[DELAYS].told["A"].resolved
    assert book.seen(alerts([state(DELAYS, due=at(6))]), at(9)).entries[DELAYS].told["A"] == Told()


def test_an_alert_is_kept_until_everybody_knows_that_it_is_over() -> None:
    book = Book().seen(alerts([state(DELAYS, due=at(6))]), NOW).delivered(message(DELAYS), NOW).seen((), at(7))
    assert DELAYS in book.tidied([DELAYS], frozenset({"A"})).entries
    told = book.delivered(message(DELAYS, Occasion.RESOLVED), at(8))
    assert told.tidied([DELAYS], frozenset({"A"})).entries == {}
    assert book.tidied([DELAYS], frozenset({"another"})).entries == {}


def test_a_book_has_an_end_and_says_what_it_forgot() -> None:
    old = Entry("k", "id", "h", Severity.TICKET, NOW, NOW, NOW, healed=NOW, told={"A": Told(Severity.TICKET, NOW)})
    entries = {
        str(number): replace(old, key=str(number), healed=NOW + number * MINUTE) for number in range(MOST_ENTRIES + 3)
    }
    found = Book(entries).tidied([], frozenset({"A"}))
    assert len(found.entries) == MOST_ENTRIES
    assert found.lost == 3
    assert "0" not in found.entries


def test_a_book_outlasts_being_text() -> None:
    book = Book().seen(alerts(source_missing()), NOW).failed(message("snapshots/flights"), "answered 500", NOW)
    book = book.delivered(message("snapshots/flights", address="B"), at(7)).seen((), at(8))
    book = replace(book, blind_since=at(9), lost=2, troubles={"A": Trouble("no", 2, NOW + HOUR)})
    assert from_text(to_text(book)) == book


@pytest.mark.parametrize(
    "text", [None, "", "no json", "[]", '{"format": 99}', '{"format": 1}', '{"format": 1, "entries": 3}']
)
def test_a_text_that_is_no_book_is_an_empty_one(text: str | None) -> None:
    assert from_text(text) == Book()
