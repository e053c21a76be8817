"""The first night: what the demonstration needs, in the order in which it is made.

Belongs here: which partitions the last two weeks and tomorrow ask for, all the way up to the snapshots. Does not
belong here: running them (`automation/catch_up.py`) or showing them (`demo_screen.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from batch_platform.automation.catch_up import Wanted
from batch_platform.errors import ConfigurationError
from batch_platform.features.definition import FeatureTable
from batch_platform.models.definition import ModelDefinition
from batch_platform.models.registry import Registry
from batch_platform.models.training_windows import windows_of
from batch_platform.predictions.definition import Predictions
from batch_platform.settings import Settings

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
    """Work back from predictions to snapshots: the last two weeks, today and tomorrow as seen from `now`.

    Raises:
        ConfigurationError: no version of the model could have served all of these days yet.
    """
    calendar = predictions.calendar
    if now < calendar.start_of(calendar.start):
        raise _too_early(model)
    tomorrow = calendar.latest(now)
    days = tuple(calendar.keys_between(calendar.shift(tomorrow, -DAYS_BEFORE - 1), tomorrow))
    windows = _distinct(model.calendar.key_at(predictions.decision(day)) for day in days)
    if windows[0] < model.calendar.first:
        raise _too_early(model)
    learned = [windows_of(model, window) for window in windows]
    feature_keys = _distinct(
        key for keys in (*((w.training + w.holdout) for w in learned), days) for key in _filled(features, keys)
    )
    inputs: dict[str, set[str]] = {}
    for reading in features.readings:
        for key in feature_keys:
            inputs.setdefault(reading.timeline.table, set()).update(reading.keys(key))
    for window in learned:
        inputs.setdefault(model.label.timeline.table, set()).update(window.training + window.holdout)
    snapshots = [Wanted(table, tuple(sorted(keys))) for table, keys in inputs.items()]
    return FirstNight(
        steps=(
            *snapshots,
            Wanted(features.model.table, feature_keys, (features.quarantine,), sql_digest=features.sql_digest),
            Wanted(model.table, windows, in_lake=False, held=partial(_registered, model.name)),
            Wanted(predictions.table, days, (predictions.quarantine,), sql_digest=predictions.sql_digest),
        ),
        days=days,
        windows=windows,
    )


def _too_early(model: ModelDefinition) -> ConfigurationError:
    return ConfigurationError(
        f"the first version of {model.name} serves from {model.calendar.first} on, and the demonstration needs one",
        fix=f"choose a moment {DAYS_BEFORE + 2} or more days later",
    )


def _registered(model: str, settings: Settings) -> set[str]:
    """The windows for which the registry holds a version, whatever Dagster remembers."""
    return {version.window for version in Registry(settings).versions(model)}


def _filled(features: FeatureTable, keys: Sequence[str]) -> list[str]:
    """Every partition from the first to the last: a range in one run has no holes."""
    return features.partitions.keys_between(min(keys), max(keys))


def _distinct(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(keys)))
