"""What a model is before anything is trained: its features, its label, its windows, its gate.

Belongs here: the declaration, free of heavy imports, since every process that loads definitions reads it. Does not
belong here: anything that happens with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from batch_platform.models.gate import Threshold
from batch_platform.partitions import Calendar
from batch_platform.timelines import Timeline

CHECKS = {
    "reloads": "Read back from the registry, the version gives bit-equal scores on its whole holdout, and prediction "
    "tables get scores within 1e-5 of them.",
    "gate": "The version reaches the figures that promotion asks for; if not, the earlier champion goes on.",
}


@dataclass(frozen=True)
class Label:
    """What is predicted: a condition on the columns of a table that is known later.

    Args:
        timeline: the table and when its partitions are known.
        sql: the condition, over that table's columns.
        exclude: rows to leave out of training and evaluation, as a condition.
    """

    timeline: Timeline
    sql: str
    exclude: str = "false"


@dataclass(frozen=True)
class ModelDefinition:
    """How the versions of one model are made.

    Args:
        name: the model's name in the registry; the asset is `models/<name>`.
        features: the feature table and when it is known.
        columns: the columns that the model reads.
        key: the columns that join features and label.
        label: what is predicted.
        calendar: the windows that versions serve.
        lookback: how many of these windows a version is trained on.
        holdout: how many of them, the newest ones, it is evaluated on and never sees.
        seed: of everything random.
        trainer: `package.module:function`, called with a table and a `TrainingTask`.
        options: the trainer's own settings.
        gate: what a version must reach before it may serve.
    """

    name: str
    features: Timeline
    columns: tuple[str, ...]
    key: tuple[str, ...]
    label: Label
    calendar: Calendar
    lookback: int
    holdout: int
    seed: int
    trainer: str
    options: Mapping[str, object] = field(default_factory=dict)
    gate: tuple[Threshold, ...] = ()

    @property
    def table(self) -> str:
        """The asset's name."""
        return f"models/{self.name}"
