"""What is open, and what each address has been told of it: the memory of alerts.

The book says what is the case and what was told; what must be told follows from comparing the two (`announcing.py`).
So nothing is lost between a failed message and the next attempt, and a message that was sent by a process which died
before it could write that down is sent again: at least once. Only what was told by such a process and is good again at
the next look stays open at its receivers.

Belongs here: the entries, and how they follow what is found and what is delivered. Does not belong here: their form
as text (`book_text.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from batch_platform.alerts.grouping import Alert
from batch_platform.alerts.message import Message, Occasion, headline
from batch_platform.alerts.severity import Severity

MOST_ENTRIES = 300
"""Alerts that the book holds at most, those that are over but not told included."""

MOST_SCOPE = 100
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=15)


@dataclass(frozen=True)
class Told:
    """What one address has been told of one alert.

    Args:
        severity: how urgent, in the newest message; None: it has been told nothing.
        at: when that was; None: it may have been told since that all is over.
        attempts: how often the next message has failed.
        leaving: whether it is about to be told that it is over. That is written down a look before it is done, or an
            alert that comes back would be taken for told by those to whom a process that died has said that it is over.
        resolved: whether it has been told that it is over.
    """

    severity: Severity | None = None
    at: datetime | None = None
    attempts: int = 0
    leaving: bool = False
    resolved: bool = False


@dataclass(frozen=True)
class Entry:
    """One alert, as long as it lasts and until everybody who heard of it knows that it is over.

    Args:
        key: what it is; see `Alert`.
        alert_id: what receivers know it by.
        headline: what it is in words, as it was last seen.
        severity: how urgent it was then.
        since: when it began.
        seen: when it was seen first, or first again after it was good.
        grew: when it last became about more than before.
        scope: what it has been about; see `Alert`.
        tables: the tables that it was last about.
        healed: since when it is good again; None: it lasts.
        muted: whether a planned backfill is at it.
        told: address -> what it has been told.
    """

    key: str
    alert_id: str
    headline: str
    severity: Severity
    since: datetime
    seen: datetime
    grew: datetime
    scope: frozenset[str] = frozenset()
    tables: frozenset[str] = frozenset()
    healed: datetime | None = None
    muted: bool = False
    told: Mapping[str, Told] = field(default_factory=dict)


@dataclass(frozen=True)
class Trouble:
    """An address that did not take the last message.

    Args:
        text: why, without anything secret.
        attempts: how often in a row.
        next_at: when it is tried again.
    """

    text: str
    attempts: int
    next_at: datetime


@dataclass(frozen=True)
class Book:
    """All that is remembered.

    Args:
        entries: key -> alert.
        troubles: address -> why it takes nothing.
        blind_since: since when nobody could look; None: somebody can.
        lost: how many alerts were forgotten before everybody knew of them, because there were too many.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    blind_since: datetime | None = None
    lost: int = 0

    @property
    def members(self) -> dict[str, frozenset[str]]:
        """The alerts that are remembered -> their tables; see `grouped`."""
        return {key: entry.tables for key, entry in self.entries.items()}

    @property
    def over(self) -> frozenset[str]:
        """Those of them that are good again."""
        return frozenset(key for key, entry in self.entries.items() if entry.healed is not None)

    def seen(self, alerts: Iterable[Alert], now: datetime, complete: bool = True) -> Book:
        """The book after a look.

        Args:
            alerts: what is wrong now.
            now: the moment.
            complete: whether what is not among them is good; False: it was not looked at.
        """
        entries = dict(self.entries)
        current = {alert.key: alert for alert in alerts}
        for key, alert in current.items():
            entries[key] = _lasting(entries.get(key), alert, now)
        if complete:
            for key in entries.keys() - current.keys():
                entries[key] = replace(entries[key], healed=entries[key].healed or now)
        return replace(self, entries=entries)

    def delivered(self, message: Message, now: datetime) -> Book:
        """The book after a message has arrived."""
        over = message.occasion is Occasion.RESOLVED
        told = Told() if message.occasion is Occasion.MISSED else Told(message.severity, now, resolved=over)
        troubles = {name: trouble for name, trouble in self.troubles.items() if name != message.address}
        return replace(self._with(message, told), troubles=troubles)

    def failed(self, message: Message, text: str, now: datetime) -> Book:
        """The book after a message has failed; its address rests for 30 seconds, then twice as long each time."""
        told = self.entries[message.key].told.get(message.address, Told())
        before = self.troubles[message.address].attempts if message.address in self.troubles else 0
        pause = min(_FIRST_PAUSE * 2 ** min(before, 10), _LONGEST_PAUSE)
        troubles = {**self.troubles, message.address: Trouble(text, before + 1, now + pause)}
        return replace(self._with(message, replace(told, attempts=told.attempts + 1)), troubles=troubles)

    def leaving(self, settled: Iterable[str]) -> Book:
        """The book that says whom the next look tells that these alerts are over."""
        entries = dict(self.entries)
        for key in settled:
            told = {name: replace(one, leaving=not one.resolved) for name, one in entries[key].told.items()}
            entries[key] = replace(entries[key], told=told)
        return replace(self, entries=entries)

    def tidied(self, settled: Iterable[str], addresses: frozenset[str]) -> Book:
        """The book without what needs not be remembered any more.

        Args:
            settled: the alerts that are over for good.
            addresses: all that there are now; what others were told is forgotten.
        """
        gone = set(settled)
        entries = {}
        for key, entry in self.entries.items():
            told = {name: one for name, one in entry.told.items() if name in addresses}
            if key not in gone or any(_pending(one) for one in told.values()):
                entries[key] = replace(entry, told=told)
        oldest = sorted((entry.healed, key) for key, entry in entries.items() if entry.healed is not None)
        lost = [key for _, key in oldest[: max(0, len(entries) - MOST_ENTRIES)]]
        for key in lost:
            del entries[key]
        troubles = {name: trouble for name, trouble in self.troubles.items() if name in addresses}
        return replace(self, entries=entries, troubles=troubles, lost=self.lost + len(lost))

    def _with(self, message: Message, told: Told) -> Book:
        entry = self.entries[message.key]
        entry = replace(entry, told={**entry.told, message.address: told})
        return replace(self, entries={**self.entries, message.key: entry})


def _pending(told: Told) -> bool:
    """Whether an address must still hear that an alert is over."""
    return (told.severity is not None and not told.resolved) or (told.severity is None and told.attempts > 0)


def _lasting(entry: Entry | None, alert: Alert, now: datetime) -> Entry:
    """An alert's entry after it has been seen, be it for the first time, again, or again after it was good."""
    if entry is None:
        alert_id = hashlib.sha256(f"{alert.key}|{now.isoformat()}".encode()).hexdigest()[:12]
        entry = Entry(alert.key, alert_id, "", alert.severity, min(alert.since or now, now), now, now)
    new = alert.scope - entry.scope
    room = MOST_SCOPE - len(entry.scope)
    return replace(
        entry,
        headline=headline(alert),
        severity=alert.severity,
        seen=now if entry.healed is not None else entry.seen,
        grew=now if new and room > 0 else entry.grew,
        scope=entry.scope | frozenset(sorted(new)[: max(room, 0)]),
        tables=frozenset(sorted(alert.tables)[:MOST_SCOPE]),
        healed=None,
        muted=alert.muted,
        told={name: _back(one) for name, one in entry.told.items()},
    )


def _back(told: Told) -> Told:
    """What an address knows of an alert that is back: nothing if it knows that it was over, else it is in doubt."""
    if told.resolved:
        return Told()
    return replace(told, at=None, leaving=False) if told.leaving else told
