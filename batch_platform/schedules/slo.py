"""By when a partition must be there: what `slo:` in a declaration means.

Belongs here: the deadline of a partition, and whether it can be met at all. Does not belong here: watching it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from batch_platform.partitions import Calendar, Offset


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
