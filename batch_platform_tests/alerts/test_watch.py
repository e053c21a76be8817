"""Over any course of things everybody hears of everything that lasts, once, and that it is over, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform.alerts.addresses import Addresses
from batch_platform.alerts.book import Book
from batch_platform.alerts.book_text import from_text, to_text
from batch_platform.alerts.message import Message, Occasion
from batch_platform.alerts.routing import Alerting, Route
from batch_platform.alerts.watch import BLIND, Look, Round, watched
from batch_platform_tests.alerts.cases import DELAYS, EVERYBODY, MINUTE, NOW, TABLES, at, source_missing, state

NAMES = ("features/a", "features/b", "predictions/c")
BEGIN, AGAIN, END = Occasion.OPENED, (Occasion.UPDATED, Occasion.REMINDED), Occasion.RESOLVED


@dataclass
class Address:
    """A receiver that is up or down, and what it has heard."""

    up: bool = True
    heard: list[Message] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)

    def take(self, messages: Sequence[Message], _: Addresses) -> list[str | None]:
        if not self.up:
            self.refused |= {message.key for message in messages[:1]}
            return ["answered 500", *[None for _ in messages[1:]]] if messages else []
        self.heard += messages
        return ["" for _ in messages]


def look(wrong: set[str], silent: bool = False, planned: bool = False) -> Look:
    return Look([state(name, due=at(6), planned=planned) for name in sorted(wrong)], TABLES, (), silent)


def one_round(book: Book, address: Address, seen: Look | None, now: datetime, alerting: Alerting = EVERYBODY) -> Round:
    addresses = Addresses.of(alerting.routes, {"ALL": "json://localhost"})
    found = watched(book, seen, alerting, addresses, address.take, now)
    assert from_text(to_text(found.book)) == found.book
    return found


STEPS = st.lists(
    st.tuples(
        st.sets(st.sampled_from(NAMES)),
        st.integers(1, 40),
        st.booleans(),  # the address is up
        st.sampled_from([False, False, False, True]),  # maintenance
        st.sampled_from([False, False, False, True]),  # nobody can look
        st.sampled_from([False, False, False, True]),  # the process dies before it can write down what it sent
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.sets(st.sampled_from(NAMES)))
def test_every_alert_that_lasts_is_told_and_resolved_once_whatever_fails(steps: list, last: set[str]) -> None:  # type: ignore[type-arg]
    book, address, now, died = Book(), Address(), NOW, False
    for wrong, minutes, up, silent, blind, dies in steps:
        now += minutes * MINUTE
        address.up = up
        before = len(address.heard)
        found = one_round(book, address, None if blind else look(wrong, silent), now)
        assert not silent or blind or len(address.heard) == before
        died |= dies and len(address.heard) > before
        book = book if dies else found.book
    address.up = True
    for _ in range(20):  # some time in which nothing fails and nothing changes
        now += 5 * MINUTE
        book = one_round(book, address, look(last), now).book

    for name in (*NAMES, "nobody watches"):
        heard = [message.occasion for message in address.heard if message.key == name]
        told = [occasion for occasion in heard if occasion not in AGAIN and occasion is not Occasion.MISSED]
        if died:  # at least once: what was sent by a process that died is sent again
            told = [
                occasion for last_one, occasion in zip([None, *told], told, strict=False) if occasion is not last_one
            ]
            # It has forgotten what began and ended between its last two breaths.
            assert name not in last or (heard and heard[-1] is not END), (name, heard)
        else:
            assert (len(told) % 2 == 1) == (name in last), (name, heard)
        assert told == ([BEGIN, END] * len(told))[: len(told)]
    # What failed to arrive has arrived since, be it in one message after it was over. A process that died has
    # forgotten its failures, too.
    if not died and not any(step[5] for step in steps):
        assert address.refused <= {message.key for message in address.heard}
    assert set(book.entries) == last


def test_messages_of_one_alert_have_one_id() -> None:
    book, address = Book(), Address()
    for minute, wrong in ((0, {DELAYS}), (1, set()), (20, set()), (21, set()), (60, {DELAYS})):
        book = one_round(book, address, look(wrong), NOW + minute * MINUTE).book
    first, second, third = address.heard
    assert first.alert_id == second.alert_id != third.alert_id


def test_what_fires_during_maintenance_and_lasts_is_told_afterwards_and_what_heals_is_not() -> None:
    book, address = Book(), Address()
    book = one_round(book, address, look({"features/a", DELAYS}, silent=True), NOW).book
    book = one_round(book, address, look({DELAYS}, silent=True), NOW + 5 * MINUTE).book
    assert address.heard == []
    for minute in (60, 90):
        book = one_round(book, address, look({DELAYS}), NOW + minute * MINUTE).book
    assert [(message.key, message.occasion) for message in address.heard] == [(DELAYS, Occasion.OPENED)]


def test_when_nobody_can_look_that_is_told_and_nothing_is_resolved() -> None:
    book, address = Book(), Address()
    book = one_round(book, address, look({DELAYS}), NOW).book
    for minute in range(1, 15):
        book = one_round(book, address, None, NOW + minute * MINUTE).book
    assert [message.key for message in address.heard] == [DELAYS, "nobody watches"]
    assert address.heard[1].title.startswith("page: nobody watches")
    for minute in (20, 31, 32):
        book = one_round(book, address, look({DELAYS}), NOW + minute * MINUTE).book
    assert [message.occasion for message in address.heard] == [Occasion.OPENED, Occasion.OPENED, Occasion.RESOLVED]
    assert timedelta() < BLIND


def test_a_broken_lake_is_some_dozen_messages_and_not_a_thousand() -> None:
    book, address = Book(), Address()
    names = {f"features/t{number:04}" for number in range(1000)}
    for minute in range(10):
        book = one_round(book, address, look(names), NOW + minute * MINUTE).book
    assert len(address.heard) == 51
    assert len(book.entries) == 51
    for minute in range(10, 40):
        book = one_round(book, address, look(set()), NOW + minute * MINUTE).book
    assert len(address.heard) == 102
    assert book.entries == {}


def test_an_outage_of_a_source_over_days_is_one_alert_that_is_updated_daily() -> None:
    book, address = Book(), Address()
    for day in range(5):
        keys = [f"2026-03-{2 + number:02}" for number in range(day + 1)]
        states = [one for number, key in enumerate(keys) for one in source_missing(key, at(6) + timedelta(days=number))]
        for hours in range(24):
            now = NOW + timedelta(days=day, hours=hours)
            book = one_round(book, address, Look(states, TABLES), now).book
    assert [message.occasion for message in address.heard][:2] == [Occasion.OPENED, Occasion.UPDATED]
    assert len({message.alert_id for message in address.heard}) == 1
    assert len(address.heard) <= 10


def test_a_route_that_is_gone_is_forgotten() -> None:
    book, address = Book(), Address()
    book = one_round(book, address, look({DELAYS}), NOW).book
    other = Alerting((Route("other", "OTHER"),))
    book = one_round(book, address, look({DELAYS}), NOW + MINUTE, other).book
    assert set(book.entries[DELAYS].told) == {"OTHER"}
