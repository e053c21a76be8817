"""By when a partition must be there: what `slo:` in a declaration means.

Belongs here: the deadline of a partition, and whether it can be met at all. Does not belong here: watching it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Calendar, Offset
from batch_platform.timelines.lags import ordinary_and_odd


@dataclass(frozen=True)
class Slo:
    """The objective of a table's partitions.

    Args:
        due: by when a partition must be there, relative to its start.
        warn: when to begin to worry; None: not before it is due.
        critical: whether somebody is paged when it is missed; otherwise a ticket is opened.
    """

    due: Offset
    warn: Offset | None = None
    critical: bool = False

    def due_at(self, calendar: Calendar, key: str) -> datetime:
        """The deadline of a partition."""
        return self.due.after(calendar.start_of(key))

    def warn_at(self, calendar: Calendar, key: str) -> datetime:
        """When a partition that is not there becomes a worry; at the latest its deadline."""
        due = self.due_at(calendar, key)
        return due if self.warn is None else self.warn.after(calendar.start_of(key))


# Many tables have the same objective, and it is held against hundreds of days.
@lru_cache(maxsize=256)
def refuse_early_deadline(slo: Slo, earliest: Offset, calendar: Calendar | None, what: str) -> None:
    """Refuse a deadline before the inputs can be there, and a warning after it, for whatever partition.

    Args:
        slo: the objective.
        earliest: when a partition can be made at the earliest.
        calendar: the partitions.
        what: what `earliest` is called where it is declared, such as `known_at`.

    Raises:
        ConfigurationError: it cannot be met, or the table has no partitions.
    """
    if calendar is None:
        raise ConfigurationError(
            "slo: a table without partitions has no deadline", fix="leave slo out, or declare partitions"
        )
    for key in ordinary_and_odd(calendar, calendar, (0, earliest.days, slo.due.days)):
        start = calendar.start_of(key)
        possible, due = earliest.after(start).timestamp(), slo.due_at(calendar, key).timestamp()
        if due <= possible:
            raise ConfigurationError(
                f"slo.due {slo.due.text!r} is not after {what} {earliest.text!r} (partition {key}): "
                "the inputs cannot be there",
                fix=f"move the deadline later, or {what} earlier",
            )
        if slo.warn_at(calendar, key).timestamp() > due:
            text = slo.warn.text if slo.warn else ""
            raise ConfigurationError(f"slo.warn {text!r} comes after slo.due {slo.due.text!r}", fix="warn earlier")
