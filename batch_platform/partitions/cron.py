"""Cron expressions, read exactly as Dagster's own schedules read them.

Dagster keeps its reading in a private module, which is used here and nowhere else: clock changes, leap days and names
of days then mean the same in a batch window as in a schedule.

Belongs here: one expression and the moments at which it strikes. Does not belong here: what happens then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from batch_platform.errors import ConfigurationError

_SAMPLE = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Cron:
    """A cron expression of five fields in a time zone.

    A time of day that is skipped strikes when the clock is set forward, one that comes twice strikes at the second.

    Args:
        text: such as `0 22 * * 1-5`.
        zone: whose wall clock it follows.
    """

    text: str
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str, zone: ZoneInfo, where: str) -> Cron:
        """Read an expression; `where` names it in errors.

        Raises:
            ConfigurationError: it is none of five fields, or it never strikes.
        """
        if not _is_valid(text):
            raise ConfigurationError(
                f"{text!r} is no cron expression", where=where, fix="write five fields such as '0 22 * * 1-5'"
            )
        cron = cls(text.strip(), zone)
        if cron.first_after(_SAMPLE) is None:
            raise ConfigurationError(f"cron {text!r} never strikes", where=where, fix="name a day that exists")
        return cron

    def latest_at(self, moment: datetime) -> datetime | None:
        """The last time that it struck at or before `moment`, in UTC; None: never."""
        return _latest_at(self.text, self.zone.key, moment)

    def first_after(self, moment: datetime) -> datetime | None:
        """The first time that it strikes after `moment`, in UTC; None: never."""
        return _first_after(self.text, self.zone.key, moment)


def _is_valid(text: str) -> bool:
    from dagster._utils.schedules import is_valid_cron_string

    # Aliases such as @daily are left out: Dagster knows only some of them.
    return len(text.split()) == 5 and is_valid_cron_string(text)


@lru_cache(maxsize=1024)
def _latest_at(text: str, zone: str, moment: datetime) -> datetime | None:
    from dagster._utils.schedules import reverse_cron_string_iterator

    strikes = _told(reverse_cron_string_iterator(moment.timestamp(), text, zone))
    return next((strike for strike in strikes if strike <= moment), None)


@lru_cache(maxsize=1024)
def _first_after(text: str, zone: str, moment: datetime) -> datetime | None:
    from dagster._utils.schedules import cron_string_iterator

    strikes = _told(cron_string_iterator(moment.timestamp(), text, zone))
    return next((strike for strike in strikes if strike > moment), None)


def _told(strikes: Iterator[datetime]) -> Iterator[datetime]:
    """The moments in UTC, until there is none."""
    try:
        for strike in strikes:
            yield strike.astimezone(UTC)
    except (ValueError, OverflowError):
        # What croniter raises where it finds no further date: its own errors are such.
        return
