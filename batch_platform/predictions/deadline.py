"""Whether a deadline can be met at all.

Belongs here: holding a declared deadline against what is known when. Does not belong here: watching it.
"""

from __future__ import annotations

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Calendar, Offset


def refuse_early_deadline(due: str, warn: str | None, known_at: Offset, calendar: Calendar) -> None:
    """Refuse a deadline before the inputs can be there, and a warning after it.

    Args:
        due: by when a partition must be there, such as `-1d 20:00`.
        warn: when to begin to worry.
        known_at: the decision time.
        calendar: the partitions.

    Raises:
        ConfigurationError: it cannot be met.
    """
    start = calendar.start_of(calendar.start)
    deadline, decision = Offset.parse(due).after(start), known_at.after(start)
    if deadline <= decision:
        raise ConfigurationError(
            f"slo.due {due!r} is not after the decision time {known_at.text!r}: the inputs cannot be there",
            fix="move the deadline later, or known_at earlier",
        )
    if warn is not None and Offset.parse(warn).after(start) > deadline:
        raise ConfigurationError(f"slo.warn {warn!r} comes after slo.due {due!r}", fix="warn earlier")
