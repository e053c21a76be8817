"""The first night: what the demonstration needs, in the order in which it is made.

Belongs here: which partitions the last two weeks and tomorrow ask for, all the way up to the snapshots. Does not
belong here: running them (`automation/catch_up.py`) or showing them (`demo_screen.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from batch_platform.automation.catch_up import Wanted
from batch_platform.features.definition import FeatureTable
from batch_platform.models.definition import ModelDefinition
from batch_platform.models.training import windows_of
from batch_platform.predictions.definition import Predictions

DAYS_BEFORE = 13


@dataclass(frozen=True)
class FirstNight:
    """The partitions to make.

    Args:
        steps: what must exist, inputs first.
        days: the scored days, oldest first; the last one is tomorrow.
        windows: the windows whose model versions serve these days.
    """

    steps: tuple[Wanted, ...]
    days: tuple[str, ...]
    windows: tuple[str, ...]


def plan_first_night(
    features: FeatureTable, model: ModelDefinition, predictions: Predictions, now: datetime
) -> FirstNight:
    """Work back from predictions to snapshots: the last two weeks, today and tomorrow as seen from `now`."""
    calendar = predictions.calendar
    tomorrow = calendar.latest(now)
    days = tuple(calendar.keys_between(calendar.shift(tomorrow, -DAYS_BEFORE - 1), tomorrow))
    windows = _distinct(model.calendar.key_at(predictions.decision(day)) for day in days)
    learned = [windows_of(model, window) for window in windows]
    feature_keys = _distinct(
        key for keys in (*((w.training + w.holdout) for w in learned), days) for key in _filled(features, keys)
    )
    inputs: dict[str, set[str]] = {}
    for reading in features.readings:
        for key in feature_keys:
            inputs.setdefault(reading.timeline.table, set()).update(reading.keys(key))
    for window in learned:
        inputs[model.label.timeline.table].update(window.training + window.holdout)
    snapshots = [Wanted(table, tuple(sorted(keys))) for table, keys in inputs.items()]
    return FirstNight(
        steps=(
            *snapshots,
            Wanted(features.model.table, feature_keys, (features.quarantine,), sql_digest=features.sql_digest),
            Wanted(model.table, windows, in_lake=False),
            Wanted(predictions.table, days, (predictions.quarantine,), sql_digest=predictions.sql_digest),
        ),
        days=days,
        windows=windows,
    )


def _filled(features: FeatureTable, keys: Sequence[str]) -> list[str]:
    """Every partition from the first to the last: a range in one run has no holes."""
    return features.calendar.keys_between(min(keys), max(keys))


def _distinct(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(keys)))
