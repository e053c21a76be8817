"""How well the built-in trainer does on the flights, beside simpler and stronger models.

Run `python -m batch_platform_tests.benchmarks.quality`. Snapshots and features are built by the platform itself,
as the flight_delay pipeline declares them, in a temporary lake. For each of six consecutive months a model is
trained on the six months before it, with the platform's windows and its embargo on labels, and scores the month:
rolling origins, as the platform serves them. Prints ROC AUC, log loss, Brier score and calibration error of the
base rate, a logistic regression, the network and gradient boosting, for each month and as the mean over months.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from batch_platform.automation.location import load_definitions
from batch_platform.features.build import build
from batch_platform.features.component import feature_tables
from batch_platform.features.definition import FeatureTable
from batch_platform.lake.store import Lake
from batch_platform.models.component import model_definitions
from batch_platform.models.definition import ModelDefinition
from batch_platform.models.quality import (
    Quality,
    base_rate_scores,
    evaluate,
    gradient_boosting_scores,
    logistic_regression_scores,
)
from batch_platform.models.tabular import train
from batch_platform.models.task import TrainingTask
from batch_platform.models.training_rows import LABEL, labelled_rows
from batch_platform.models.training_windows import Windows, windows_of
from batch_platform.outcomes import PartitionOutcome, Run
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.settings import Settings
from batch_platform.snapshots.capture import Snapshot, capture
from batch_platform.snapshots.component import InputSnapshot
from batch_platform.snapshots.sources import source_from
from batch_platform.telemetry.cost import Meter

FIRST_SERVED, LAST_SERVED = "2025-09-01", "2026-02-01"
"""The first and the last version's window. A version is evaluated on the month before it: August to January."""

CHUNK = 62
"""Partitions of one build, as in the platform's own runs."""

LONGEST_WINDOW = timedelta(days=330)
"""The demo's rows come back after 364 days: from the first training day to the last holdout day it must be less."""


@dataclass(frozen=True)
class Pipeline:
    """What the flight_delay pipeline's YAML declares, as far as training needs it."""

    snapshots: tuple[Snapshot, ...]
    features: FeatureTable
    model: ModelDefinition


def load_pipeline() -> Pipeline:
    """The pipeline that the project's definitions declare."""
    settings = Settings.from_environment()
    _, tree = load_definitions()
    model = model_definitions(tree.load_context)["flight_delay"]
    tables = {table.model.table: table for table in feature_tables(tree.load_context).values()}
    snapshots = tuple(
        Snapshot(
            found.name, source_from(found.source, base=settings.project), tuple(found.key), found.timeline.calendar
        )
        for found in tree.get_all_components(of_type=InputSnapshot)
    )
    return Pipeline(snapshots, tables[model.features.table], model)


def build_lake(pipeline: Pipeline, lake: Lake, windows: Sequence[Windows]) -> None:
    """Capture and build everything that these windows learn from and are evaluated on.

    Raises:
        BatchPlatformError: a partition was refused.
    """
    run, meter = Run("benchmark"), Meter(0.0)
    learned = {key for window in windows for key in (*window.training, *window.holdout)}
    keys = pipeline.features.calendar.keys_between(min(learned), max(learned))
    wanted: dict[str, set[str]] = {pipeline.model.label.timeline.table: set(learned)}
    for reading in pipeline.features.readings:
        wanted.setdefault(reading.timeline.table, set()).update(key for own in keys for key in reading.keys(own))
    for snapshot in pipeline.snapshots:
        for chunk in _chunks(sorted(wanted.get(snapshot.table, ()))):
            _accept(capture(snapshot, lake, chunk, run, meter))
    for chunk in _chunks(keys):
        _accept(build(pipeline.features, lake, chunk, run, meter))


def _chunks(keys: Sequence[str]) -> list[Sequence[str]]:
    return [keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK)]


def _accept(outcomes: Sequence[PartitionOutcome]) -> None:
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error


def rolling_windows(model: ModelDefinition) -> list[Windows]:
    """The windows of the six versions, each checked to be short enough that no row stands on both sides."""
    windows = [windows_of(model, key) for key in model.calendar.keys_between(FIRST_SERVED, LAST_SERVED)]
    days = model.features.calendar
    assert days is not None
    for window in windows:
        assert days.start_of(window.holdout[-1]) - days.start_of(window.training[0]) < LONGEST_WINDOW
    return windows


@dataclass(frozen=True)
class _Contender:
    name: str
    scores: Callable[[pa.Table, pa.Table, TrainingTask], NDArray[np.generic]]


BASE_RATE, REGRESSION, NETWORK = "base rate", "logistic regression", "network (built in)"
CONTENDERS = (
    _Contender(BASE_RATE, lambda old, new, task: base_rate_scores(task.labels(old), new.num_rows)),
    _Contender(REGRESSION, logistic_regression_scores),
    _Contender(NETWORK, lambda old, new, task: train(old, task).predict(new)),
    _Contender("gradient boosting", gradient_boosting_scores),
)

MEASURES: dict[str, Callable[[Quality], float]] = {
    "ROC AUC": lambda quality: quality.roc_auc if quality.roc_auc is not None else float("nan"),
    "log loss": lambda quality: quality.log_loss,
    "Brier score": lambda quality: quality.brier,
    "calibration error": lambda quality: quality.calibration_error,
}


@dataclass(frozen=True)
class Results:
    """The qualities and the seconds (training and scoring) of one contender, month by month."""

    qualities: list[Quality]
    seconds: list[float]

    def mean(self, measure: str) -> float:
        """The mean of a measure over the months."""
        return float(np.mean([MEASURES[measure](quality) for quality in self.qualities]))


def main() -> None:
    """Build the lake, train and evaluate every contender on every month, print the tables and the verdict."""
    torch.set_num_threads(1)
    console = Console(width=110)
    pipeline = load_pipeline()
    model = pipeline.model
    windows = rolling_windows(model)
    results = {contender.name: Results([], []) for contender in CONTENDERS}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        lake = Lake(folder)
        build_lake(pipeline, lake, windows)
        console.print(f"snapshots and features built in {time.perf_counter() - start:.0f} s")
        task = TrainingTask(model.columns, LABEL, PARTITION_COLUMN, model.seed, dict(model.options))
        for window in windows:
            old, new = (labelled_rows(model, lake, keys) for keys in (window.training, window.holdout))
            shown = f"{window.training[0]} to {window.training[-1]}: {old.num_rows} rows to learn from"
            console.print(f"{shown}; {window.holdout[0]} to {window.holdout[-1]}: {new.num_rows} to score")
            for contender in CONTENDERS:
                start = time.perf_counter()
                scores = contender.scores(old, new, task)
                results[contender.name].seconds.append(time.perf_counter() - start)
                results[contender.name].qualities.append(evaluate(task.labels(new), scores))
    _print(console, [window.holdout[0][:7] for window in windows], results)
    console.print(verdict(results))


def _print(console: Console, months: Sequence[str], results: Mapping[str, Results]) -> None:
    for measure, value in MEASURES.items():
        table = Table(title=measure)
        for column in ("model", *months, "mean", "s"):
            table.add_column(column, justify="left" if column == "model" else "right")
        for name, found in results.items():
            cells = [f"{number:.4f}" for number in [*map(value, found.qualities), found.mean(measure)]]
            table.add_row(name, *cells, f"{np.mean(found.seconds):.1f}")
        console.print(table)


def verdict(results: Mapping[str, Results]) -> str:
    """In words: whether the network's mean ROC AUC is higher and its mean log loss lower than the simple models'."""
    sentences = []
    for rival in (BASE_RATE, REGRESSION):
        auc = results[NETWORK].mean("ROC AUC") - results[rival].mean("ROC AUC")
        loss = results[NETWORK].mean("log loss") - results[rival].mean("log loss")
        outcome = "beats" if auc > 0 and loss < 0 else "does NOT beat"
        sentences.append(f"The network {outcome} the {rival}: mean ROC AUC {auc:+.4f}, mean log loss {loss:+.4f}.")
    return " ".join(sentences)


if __name__ == "__main__":
    main()
