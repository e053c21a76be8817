"""When runs may start: batch windows, blackouts and maintenance.

A batch window is when runs of the tables that name it may start. A blackout closes everything that starts by itself;
maintenance closes everything, whoever asks for it, and silences alerts.

Belongs here: whether something is closed at a moment, and until when. Does not belong here: how one stretch of time
is declared (`spans.py`), or what waits for it (`holds.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from batch_platform.errors import ConfigurationError
from batch_platform.schedules.holds import ALL_WINDOWS
from batch_platform.schedules.spans import Once, Span

_MOST = 400
"""Openings and closings that are looked at: a window that opens between none of so many is closed for good."""
_SAMPLE = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Named:
    """Stretches of time under one name."""

    name: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Maintenance:
    """One stretch of maintenance.

    Args:
        name: of the one that is declared; of several that overlap, the first.
        since: its first moment, in UTC.
        until: the first moment after it and those that follow without a break, in UTC.
    """

    name: str
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Windows:
    """Everything that is declared about when runs may start; by default nothing is ever closed.

    Raises:
        ConfigurationError: a name is taken twice, or a window is never open.
    """

    windows: tuple[Named, ...] = ()
    blackouts: tuple[Named, ...] = ()
    maintenance: tuple[Named, ...] = ()

    def __post_init__(self) -> None:
        for kind, named in (("window", self.windows), ("blackout", self.blackouts), ("maintenance", self.maintenance)):
            names = [each.name for each in named]
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ConfigurationError(f"{kind} {twice!r} is declared twice", fix="give each a name of its own")
        for window in (Named(ALL_WINDOWS, ()), *self.windows):
            self._refuse_closed_for_good(window)

    @property
    def names(self) -> tuple[str, ...]:
        """The batch windows that a table can name."""
        return tuple(window.name for window in self.windows)

    def closed_until(self, name: str, now: datetime) -> datetime | None:
        """When runs of tables with this batch window may start next, in UTC; None: they may now.

        Args:
            name: of a batch window; empty for blackouts and maintenance alone, which every window heeds, too.
            now: the moment, with a time zone.

        Raises:
            ConfigurationError: there is no such window.
        """
        return _closed_until(self, name, now.astimezone(UTC))

    def in_maintenance(self, now: datetime) -> Maintenance | None:
        """The maintenance that is going on; None: there is none."""
        now = now.astimezone(UTC)
        for each in self.maintenance:
            found = _covering(each.spans, now)
            if found is not None:
                return Maintenance(each.name, found[0], _end(_spans(self.maintenance), now) or found[1])
        return None

    def silent(self, now: datetime) -> bool:
        """Whether nobody is to be alerted."""
        return self.in_maintenance(now) is not None

    def _refuse_closed_for_good(self, window: Named) -> None:
        """Refuse what no moment would ever open; dated closings pass, so they are left aside."""
        closed = [span for span in _spans((*self.blackouts, *self.maintenance)) if not isinstance(span, Once)]
        if _opening(window, closed, _SAMPLE) is None:
            what = f"window {window.name!r} never opens" if window.name else "blackouts and maintenance never end"
            raise ConfigurationError(what, fix="shorten what closes it")


@lru_cache(maxsize=256)
def _closed_until(windows: Windows, name: str, now: datetime) -> datetime | None:
    window = next((each for each in windows.windows if each.name == name), None)
    if window is None and name != ALL_WINDOWS:
        raise _unknown(name, windows)
    closed = _spans((*windows.blackouts, *windows.maintenance))
    opens = _opening(window or Named(ALL_WINDOWS, ()), closed, now)
    if opens is None:
        return now + timedelta(days=366)
    return opens if opens > now else None


def refuse_unknown_window(name: str, windows: Windows, where: str) -> None:
    """Refuse a table that names a batch window that nobody declares; an empty name means any time.

    Raises:
        ConfigurationError: with the names there are; `where` is the table.
    """
    if name != ALL_WINDOWS and name not in windows.names:
        raise _unknown(name, windows, where)


def _unknown(name: str, windows: Windows, where: str = "") -> ConfigurationError:
    there = ", ".join(sorted(windows.names)) or "none"
    return ConfigurationError(
        f"there is no batch window {name!r}", where=where, fix=f"there are {there}; batch_platform.Operations has them"
    )


def _opening(window: Named, closed: Iterable[Span], moment: datetime) -> datetime | None:
    """The first moment from `moment` on at which a window is open and nothing is closed; None: there is none."""
    closed = list(closed)
    for _ in range(_MOST):
        covering = _covering(closed, moment)
        if covering is not None:
            moment = covering[1]
        elif not window.name or _covering(window.spans, moment):
            return moment
        else:
            coming = [opens for span in window.spans if (opens := span.after(moment)) is not None]
            if not coming:
                return None
            moment = min(coming)
    return None


def _end(spans: Iterable[Span], moment: datetime) -> datetime | None:
    """When those of some stretches end that cover `moment` and what follows without a break; None: none covers it."""
    spans = list(spans)
    end = None
    for _ in range(_MOST):
        found = _covering(spans, end or moment)
        if found is None:
            return end
        end = found[1]
    return end


def _covering(spans: Iterable[Span], moment: datetime) -> tuple[datetime, datetime] | None:
    """The stretch in which a moment lies; of several the one that ends last."""
    found = [stretch for span in spans if (stretch := span.at(moment)) is not None]
    return max(found, key=lambda stretch: stretch[1], default=None)


def _spans(named: Iterable[Named]) -> list[Span]:
    return [span for each in named for span in each.spans]
