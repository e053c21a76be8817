"""Which messages are due, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from batch_platform.alerts.announcing import MOST_AT_ONCE, due, settled
from batch_platform.alerts.book import Book, Entry, Told, Trouble
from batch_platform.alerts.finding import Incident, Kind, findings_of
from batch_platform.alerts.grouping import grouped
from batch_platform.alerts.message import Message, Occasion
from batch_platform.alerts.routing import Alerting, Route
from batch_platform.alerts.severity import Severity
from batch_platform.alerts.states import State
from batch_platform.schedules.holds import Hold
from batch_platform_tests.alerts.cases import (
    DELAYS,
    EVERYBODY,
    FEATURES,
    FLIGHTS,
    HOUR,
    MINUTE,
    NOW,
    TABLES,
    alerts,
    at,
    severities,
    source_missing,
    state,
)

NAMES = {"ALL": ["ALL"]}


def look(book: Book, states: list[State], now: datetime, alerting: Alerting = EVERYBODY) -> tuple[Book, list[Message]]:
    """One look at which everything that is due arrives."""
    found = grouped(findings_of(states, TABLES, now), states, TABLES, now, book.members, over=book.over)
    book = book.seen(found, now)
    messages = due(book, found, alerting, NAMES, now)
    for message in messages:
        book = book.delivered(message, now)
    over = settled(book, alerting, now)
    return book.leaving(over).tidied(over, frozenset(NAMES)), messages


def occasions(steps: list[tuple[list[State], datetime]], alerting: Alerting = EVERYBODY) -> list[list[str]]:
    book, told = Book(), []
    for states, now in steps:
        book, messages = look(book, states, now, alerting)
        told.append([message.occasion.value for message in messages])
    return told


def test_an_alert_is_told_once_while_it_lasts_and_once_when_it_is_over() -> None:
    missing = source_missing()
    steps = [
        (missing, NOW),
        (missing, at(6, 31)),
        ([], at(7)),
        ([], at(7, 5)),
        ([], at(7, 10)),
        ([], at(7, 11)),
        ([], at(7, 30)),
    ]
    assert occasions(steps) == [["opened"], [], [], [], [], ["resolved"], []]


def test_what_comes_back_when_it_may_have_been_told_as_over_is_told_as_still_open() -> None:
    missing = source_missing()
    steps = [(missing, NOW), ([], at(7)), ([], at(7, 10)), (missing, at(7, 11)), (missing, at(7, 12))]
    assert occasions(steps) == [["opened"], [], [], ["still open"], []]


def test_what_comes_back_before_it_settled_is_the_same_alert_and_not_told_anew() -> None:
    missing = source_missing()
    flapping = [(missing if minute % 10 == 0 else [], NOW + minute * MINUTE) for minute in range(0, 55, 5)]
    assert [told for told in occasions(flapping) if told] == [["opened"]]


def test_what_lasts_is_told_again_each_day() -> None:
    late = [state(DELAYS, due=at(6))]
    steps = [(late, NOW + hours * HOUR) for hours in (0, 23, 24, 25, 48)]
    assert occasions(steps) == [["opened"], [], ["still open"], [], ["still open"]]
    assert occasions(steps, replace(EVERYBODY, remind=None)) == [["opened"], [], [], [], []]


def test_what_becomes_more_urgent_is_told_at_once() -> None:
    ticket = [state(FEATURES, Hold.GIVEN_UP, detail="4 attempts")]
    page = [*ticket, state(DELAYS, Hold.INPUT_MISSING, FEATURES, due=at(6, 31))]
    book, messages = look(Book(), page, NOW)
    assert [message.severity for message in messages] == [Severity.TICKET]
    book, messages = look(book, page, at(6, 31))
    assert [(message.occasion, message.severity) for message in messages] == [(Occasion.UPDATED, Severity.PAGE)]


def test_what_grows_is_told_after_an_hour_and_as_one() -> None:
    days = [source_missing(f"2026-03-0{day}", due=at(6)) for day in (1, 2, 3)]
    steps = [
        (days[0], NOW),
        (days[0] + days[1], at(6, 40)),
        (days[0] + days[1] + days[2], at(6, 50)),
        (days[0] + days[1] + days[2], at(7, 30)),
        (days[0], at(8, 40)),
    ]
    assert occasions(steps) == [["opened"], [], [], ["updated"], []]


def test_what_only_waits_for_work_that_goes_on_is_told_after_ten_minutes_and_for_a_failure_at_once() -> None:
    history = [state(DELAYS, Hold.INPUT_RUNNING, FEATURES, key=f"2026-02-{day}", due=at(6)) for day in range(10, 23)]
    working = [(history, NOW + minute * MINUTE) for minute in (0, 5, 9, 10, 11)]
    assert occasions(working) == [[], [], [], ["opened"], []]
    assert occasions([(history, NOW), ([], NOW + 9 * MINUTE), ([], NOW + 30 * MINUTE)]) == [[], [], []]
    failed = state(DELAYS, Hold.INPUT_MISSING, FEATURES, due=at(6))
    assert occasions([(history, NOW), ([*history, failed], NOW + MINUTE)]) == [[], ["opened"]]


def test_a_day_whose_run_ends_a_little_late_is_told_only_ten_minutes_after_its_deadline() -> None:
    day = [state(DELAYS, Hold.RUNNING, warn=at(5), due=at(6))]
    steps = [(day, moment) for moment in (at(5), at(5, 59), at(6), at(6, 9), at(6, 10))]
    assert occasions(steps) == [[], [], [], [], ["opened"]]


def test_what_is_made_at_last_is_not_opened_anew_as_what_was_good_again_before() -> None:
    steps = [
        ([state(DELAYS, Hold.INPUT_MISSING, FEATURES, warn=at(5), due=at(6))], at(5, 55)),
        (source_missing(), at(6, 30)),
        *(([state(DELAYS, Hold.TURN, due=at(6))], at(6, minute)) for minute in range(31, 59)),
        *(([], at(7, minute)) for minute in (0, 10, 11)),
    ]
    assert [told for told in occasions(steps) if told] == [["opened"], ["resolved"]]


def test_what_a_planned_backfill_makes_is_told_only_if_it_is_still_wrong_afterwards() -> None:
    during = [state(DELAYS, due=at(6), planned=True)]
    assert occasions([(during, NOW), (during, at(7)), ([], at(8)), ([], at(9))]) == [[], [], [], []]
    assert occasions([(during, NOW), ([state(DELAYS, due=at(6))], at(7))]) == [[], ["opened"]]


def test_an_open_alert_that_a_planned_backfill_heals_is_told_as_resolved() -> None:
    late, during = [state(DELAYS, due=at(6))], [state(DELAYS, due=at(6), planned=True)]
    steps = [(late, NOW), (during, at(7)), (during, NOW + timedelta(days=2)), ([], NOW + timedelta(days=3))]
    steps += [([], NOW + timedelta(days=3, minutes=minutes)) for minutes in (10, 11)]
    assert occasions(steps) == [["opened"], [], [], [], [], ["resolved"]]


def test_what_was_over_before_it_could_be_told_is_told_in_one_message() -> None:
    found = alerts(source_missing())
    book = Book().seen(found, NOW)
    (message,) = due(book, found, EVERYBODY, NAMES, NOW)
    book = book.failed(message, "answered 500", NOW).seen((), at(7))
    assert settled(book, EVERYBODY, at(7, 5)) == []
    book = book.leaving(settled(book, EVERYBODY, at(7, 20)))
    (message,) = due(book, (), EVERYBODY, NAMES, at(7, 30))
    assert (message.occasion, message.title.partition(":")[0]) == (Occasion.MISSED, "over")
    book = book.delivered(message, at(7, 30))
    assert due(book, (), EVERYBODY, NAMES, at(8)) == []
    assert book.tidied(settled(book, EVERYBODY, at(8)), frozenset(NAMES)).entries == {}


def test_an_address_that_rests_is_left_alone_and_others_are_not() -> None:
    routes = Alerting((Route("a", "A"), Route("b", "B")))
    found = alerts(source_missing())
    book = replace(Book().seen(found, NOW), troubles={"A": Trouble("no", 1, NOW + MINUTE)})
    names = {"A": ["A"], "B": ["B", "B/2"]}
    assert [message.address for message in due(book, found, routes, names, NOW)] == ["B", "B/2"]
    assert len(due(book, found, routes, names, NOW + MINUTE)) == 3


def test_a_message_that_a_receiver_never_takes_comes_after_the_others() -> None:
    states = [state(DELAYS, due=at(6)), state(FEATURES, Hold.GIVEN_UP)]
    found = alerts(states)
    book = Book().seen(found, NOW)
    first, second = due(book, found, EVERYBODY, NAMES, NOW)
    book = book.failed(first, "answered 400", NOW)
    assert [message.key for message in due(book, found, EVERYBODY, NAMES, at(7))] == [second.key, first.key]


def test_one_address_gets_some_messages_at_a_time_the_most_urgent_first() -> None:
    states = [state(f"features/t{number:02}", due=at(6)) for number in range(30)]
    found = alerts([*states, state(DELAYS, due=at(6))])
    book = Book().seen(found, NOW)
    messages = due(book, found, EVERYBODY, NAMES, NOW)
    assert len(messages) == MOST_AT_ONCE
    assert messages[0].key == DELAYS


def test_a_notice_is_told_only_to_those_who_want_notices() -> None:
    worry = [state(DELAYS, warn=at(6), due=at(8))]
    assert occasions([(worry, NOW)]) == [[]]
    notices = Alerting((Route("all", "ALL", severities=severities("notice", "ticket", "page")),))
    assert occasions([(worry, NOW), (worry, at(8))], notices) == [["opened"], ["updated"]]


def test_whoever_heard_of_it_hears_that_it_is_over_though_their_route_would_not_take_it_any_more() -> None:
    told = Told(Severity.PAGE, NOW, leaving=True)
    entry = Entry(
        FLIGHTS,
        "id",
        "h",
        Severity.PAGE,
        NOW,
        NOW,
        NOW,
        healed=at(7),
        told={"ALL": told},
    )
    narrow = Alerting((Route("all", "ALL", owners=frozenset({"team:others"})),))
    (message,) = due(Book({FLIGHTS: entry}), (), narrow, NAMES, at(8))
    assert message.occasion is Occasion.RESOLVED


def test_a_source_that_is_out_of_reach_for_a_moment_is_told_to_nobody() -> None:
    incident = Incident(Kind.SOURCE_UNREACHABLE, "s3 does not answer", table=FLIGHTS)

    def told(minutes: list[int]) -> list[int]:
        book, found = Book(), []
        for minute in range(30):
            now = NOW + minute * MINUTE
            seen = findings_of((), TABLES, now, [incident] if minute in minutes else [])
            groups = grouped(seen, (), TABLES, now)
            book = book.seen(groups, now)
            for message in due(book, groups, EVERYBODY, NAMES, now):
                book = book.delivered(message, now)
                found.append(minute)
        return found

    assert told([*range(5, 14), *range(15, 24)]) == []
    assert told([*range(5, 17)]) == [15]
