"""One look: what is wrong is compared with what was told, what is due is sent, and the book says so afterwards.

Belongs here: the order of these steps. Does not belong here: looking (the caller does), Dagster, or any single step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from batch_platform.alerts.addresses import Addresses
from batch_platform.alerts.announcing import due, settled
from batch_platform.alerts.book import Book
from batch_platform.alerts.finding import Incident, Kind, Watched, findings_of
from batch_platform.alerts.grouping import Alert, grouped
from batch_platform.alerts.message import Message
from batch_platform.alerts.routing import Alerting
from batch_platform.alerts.severity import Severity
from batch_platform.alerts.states import State

BLIND = timedelta(minutes=10)
"""How long looking may fail before that is an alert itself."""

Deliver = Callable[[Sequence[Message], Addresses], Sequence[str | None]]
"""Sends messages; see `delivery.deliver`."""


@dataclass(frozen=True)
class Look:
    """What is the case, as far as alerts care.

    Args:
        states: partitions that are not as they should be; see `states_of`.
        tables: what is known of tables, by name.
        incidents: what else is wrong.
        silent: whether nobody is to be told at the moment, as during maintenance; what lasts is told afterwards.
    """

    states: Sequence[State] = ()
    tables: Mapping[str, Watched] = field(default_factory=dict)
    incidents: Sequence[Incident] = ()
    silent: bool = False


@dataclass(frozen=True)
class Round:
    """What one look came to.

    Args:
        book: what is remembered from now on.
        alerts: what is wrong.
        arrived: the messages that have arrived.
        failed: those that have not, with the reason.
    """

    book: Book
    alerts: tuple[Alert, ...] = ()
    arrived: tuple[Message, ...] = ()
    failed: tuple[tuple[Message, str], ...] = ()

    def __str__(self) -> str:
        lasting = [entry for entry in self.book.entries.values() if entry.healed is None]
        parts = [f"{len(lasting)} open", f"{len(self.arrived)} told"]
        parts += [f"{name}: {trouble.text}" for name, trouble in sorted(self.book.troubles.items())]
        return ", ".join(parts)


def watched(
    book: Book, look: Look | None, alerting: Alerting, addresses: Addresses, deliver: Deliver, now: datetime
) -> Round:
    """The round after one look.

    Args:
        book: what was remembered.
        look: what is the case; None: it could not be found out. Then what was told stays open, and if that lasts, it
            is an alert of its own.
        alerting: what is declared.
        addresses: where messages go.
        deliver: sends them.
        now: the moment.
    """
    if look is None:
        book = replace(book, blind_since=book.blind_since or now)
        alerts = _blind(book, now)
    else:
        book = replace(book, blind_since=None)
        findings = findings_of(look.states, look.tables, now, look.incidents)
        alerts = grouped(findings, look.states, look.tables, now, book.members, over=book.over)
    book = book.seen(alerts, now, complete=look is not None)
    arrived: list[Message] = []
    failed: list[tuple[Message, str]] = []
    if look is None or not look.silent:
        messages = due(book, alerts, alerting, addresses.names, now)
        for message, trouble in zip(messages, deliver(messages, addresses) if messages else (), strict=True):
            if trouble is None:
                continue
            book = book.failed(message, trouble, now) if trouble else book.delivered(message, now)
            if trouble:
                failed.append((message, trouble))
            else:
                arrived.append(message)
    over = settled(book, alerting, now)
    book = book.leaving(over).tidied(over, addresses.known)
    return Round(book, alerts, tuple(arrived), tuple(failed))


def _blind(book: Book, now: datetime) -> tuple[Alert, ...]:
    since = book.blind_since
    if since is None or now - since < BLIND:
        return ()
    text = "the state of the tables cannot be read, so nothing else is alerted; the sensor alerts says why"
    incident = Incident(Kind.BLIND, text, since, key=str(Kind.BLIND), severity=Severity.PAGE)
    return grouped(findings_of((), {}, now, (incident,)), (), {}, now, book.members)
