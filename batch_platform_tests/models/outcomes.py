"""Features of visits, what came of each visit, and a model of it: small, learnable, quick to train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from batch_platform.lake.store import Lake
from batch_platform.models.definition import Label, ModelDefinition
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.timelines import Timeline
from batch_platform_tests.models.registered import FEATURES, commit_features

VISITS = "snapshots/visits"
DAYS = Calendar(Cadence.DAILY, "2026-01-04")
ROWS = 24
"""Visits of a day: enough that the few days that calibrate a model do not stop its training."""


def definition_of(**changes: Any) -> ModelDefinition:
    """`models/visits`: weekly versions, three weeks of training, one of holdout, labels known two days later."""
    definition = ModelDefinition(
        name="visits",
        features=Timeline(FEATURES, DAYS, Offset.parse("-1d 18:00")),
        columns=("distance", "color"),
        key=("visit",),
        label=Label(Timeline(VISITS, DAYS, Offset.parse("2d 06:00")), "minutes > 15", "minutes IS NULL"),
        calendar=Calendar(Cadence.WEEKLY, "2026-02-01"),
        lookback=3,
        holdout=1,
        seed=7,
        trainer="batch_platform.models.tabular:train",
        options={"hidden": [8], "epochs": 2, "bins": 4, "learning_rate": 0.01, "dropout": 0.0},
    )
    return replace(definition, **changes)


def label_of(available: str, calendar: Calendar = DAYS) -> Label:
    """Late visits, known at this offset."""
    return Label(Timeline(VISITS, calendar, Offset.parse(available)), "minutes > 15", "minutes IS NULL")


def commit_days(
    lake: Lake, first: str = "2026-01-04", days: int = 35, minutes: Callable[[pa.Table], Any] | None = None
) -> None:
    """Features and outcomes of consecutive days; far visits tend to be late, unless `minutes` says otherwise."""
    features, outcomes = {}, {}
    for number in range(days):
        random = np.random.default_rng(number)
        key = (date.fromisoformat(first) + timedelta(days=number)).isoformat()
        distance = random.random(ROWS)
        rows = pa.table(
            {
                "visit": pa.array(range(ROWS), pa.int64()),
                "distance": distance,
                "color": pa.array(random.choice(["red", "blue"], ROWS).tolist(), pa.string()),
            }
        )
        late = np.where(random.random(ROWS) < np.where(distance > 0.5, 0.9, 0.1), 30, 5)
        features[key] = rows
        told = late if minutes is None else minutes(rows)
        outcomes[key] = pa.table({"visit": rows.column("visit"), "minutes": pa.array(told, pa.int64())})
    commit_features(lake, features)
    commit_features(lake, outcomes, VISITS)
