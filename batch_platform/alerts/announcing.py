"""Which messages are due: from comparing what is the case with what each address has been told.

Belongs here: that comparison. Does not belong here: sending (`delivery.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from batch_platform.alerts.book import Book, Entry, Told
from batch_platform.alerts.grouping import Alert
from batch_platform.alerts.message import Message, Occasion, closed, opened
from batch_platform.alerts.routing import Alerting
from batch_platform.alerts.severity import Severity

UPDATE_PAUSE = timedelta(hours=1)
"""Between two messages that say that an alert has become about more; one that became more urgent does not wait."""

MOST_AT_ONCE = 20
"""Messages to one address at one time; the next look sends more."""


def due(
    book: Book, alerts: Iterable[Alert], alerting: Alerting, addresses: Mapping[str, list[str]], now: datetime
) -> list[Message]:
    """The messages that are due, those of one address in the order in which they should be tried.

    Args:
        book: after these alerts were seen.
        alerts: what is wrong now.
        alerting: what is declared.
        addresses: environment variable -> the names of the addresses that it holds.
        now: the moment.
    """
    current = {alert.key: alert for alert in alerts}
    found: list[Message] = []
    for key, entry in book.entries.items():
        if entry.healed is not None:
            found += _about_what_is_over(entry, alerting, now)
        elif key in current and not entry.muted:
            found += _about_what_lasts(entry, current[key], alerting, addresses, now)
    resting = {name for name, trouble in book.troubles.items() if trouble.next_at > now}
    # What failed before comes last: a message that a receiver never takes must not hold up the others.
    found.sort(key=lambda one: (_told(book.entries[one.key], one.address).attempts, -one.severity, one.key))
    counts: dict[str, int] = {}
    chosen = []
    for message in found:
        counts[message.address] = counts.get(message.address, 0) + 1
        if message.address not in resting and counts[message.address] <= MOST_AT_ONCE:
            chosen.append(message)
    return chosen


def settled(book: Book, alerting: Alerting, now: datetime) -> list[str]:
    """The alerts that have been good for long enough to be over."""
    return [key for key, entry in book.entries.items() if _is_settled(entry, alerting, now)]


def _is_settled(entry: Entry, alerting: Alerting, now: datetime) -> bool:
    return entry.healed is not None and now - entry.healed >= alerting.settle


def _about_what_is_over(entry: Entry, alerting: Alerting, now: datetime) -> Iterator[Message]:
    if entry.healed is None or not _is_settled(entry, alerting, now):
        return
    for address, told in entry.told.items():
        if not told.leaving:
            continue
        if told.severity is not None:
            occasion, severity = Occasion.RESOLVED, told.severity
        elif told.attempts:
            occasion, severity = Occasion.MISSED, Severity.NOTICE
        else:
            continue
        title, body = closed(entry.headline, entry.alert_id, entry.since, entry.healed, occasion)
        yield Message(entry.key, entry.alert_id, address, occasion, severity, title, body)


def _about_what_lasts(
    entry: Entry, alert: Alert, alerting: Alerting, addresses: Mapping[str, list[str]], now: datetime
) -> Iterator[Message]:
    for variable, severity in alerting.taken(alert).items():
        for address in addresses.get(variable, ()):
            occasion = _occasion(entry, _told(entry, address), severity, alerting, now, _is_ripe(entry, alert, now))
            if occasion is not None:
                title, body = opened(alert, severity, alerting, occasion, entry.alert_id)
                yield Message(entry.key, entry.alert_id, address, occasion, severity, title, body)


def _occasion(
    entry: Entry, told: Told, severity: Severity, alerting: Alerting, now: datetime, ripe: bool
) -> Occasion | None:
    if told.severity is None:
        return Occasion.OPENED if ripe else None
    if told.at is None:
        return Occasion.REMINDED
    if severity > told.severity or (entry.grew > told.at and now - told.at >= UPDATE_PAUSE):
        return Occasion.UPDATED
    if alerting.remind is not None and now - told.at >= alerting.remind:
        return Occasion.REMINDED
    return None


def _is_ripe(entry: Entry, alert: Alert, now: datetime) -> bool:
    """Whether an alert has been seen, as urgent as it is, for as long as it must be before anybody is told."""
    return not alert.patience or now - max(entry.seen, alert.worst.since or entry.seen) >= alert.patience


def _told(entry: Entry, address: str) -> Told:
    return entry.told.get(address, Told())
