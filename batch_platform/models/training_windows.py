"""Which partitions a version may learn from: those known before the window that it serves began.

Belongs here: the training window and the embargo on labels, free of heavy imports. Does not belong here: the rows
(`training_rows.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from batch_platform.errors import ConfigurationError
from batch_platform.models.definition import ModelDefinition


@dataclass(frozen=True)
class Windows:
    """The partitions that a version is trained on and those it is evaluated on, as feature keys."""

    training: tuple[str, ...]
    holdout: tuple[str, ...]


def windows_of(definition: ModelDefinition, key: str) -> Windows:
    """What the version for the window `key` may learn from: labels known before that window begins, and, for the
    part that it is trained on, before its holdout begins.

    Raises:
        ConfigurationError: the features and the label have different calendars.
    """
    features, label = definition.features, definition.label.timeline
    if features.calendar is None or label.calendar is None or label.available is None:
        raise ConfigurationError("features and label need partitions", where=definition.table)
    days = features.calendar
    if (days.cadence, days.timezone) != (label.calendar.cadence, label.calendar.timezone):
        raise ConfigurationError(
            f"{features.table} and {label.table} have different calendars",
            where=definition.table,
            fix="give both one cadence and one time zone",
        )
    first = definition.calendar.start_of(definition.calendar.shift(key, -definition.lookback - definition.holdout))
    middle = definition.calendar.start_of(definition.calendar.shift(key, -definition.holdout))
    end = definition.calendar.start_of(key)

    def between(start: datetime, stop: datetime) -> tuple[str, ...]:
        assert label.available is not None
        known = [
            day
            for day in days.keys_between(days.key_at(start), days.key_at(stop))
            if start <= days.start_of(day) < stop and label.available.after(days.start_of(day)) <= stop
        ]
        return tuple(known)

    return Windows(between(first, middle), between(middle, end))
