"""Training of the built-in tabular model: a rehearsal that finds when to stop, then all rows.

Belongs here: which rows train, which calibrate, and for how many epochs. Does not belong here: the optimiser's loop
(`fitting.py`), the network (`network.py`), or the model that results (`tabular.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from batch_platform.errors import ModelError
from batch_platform.models.encoding import CategoricalEncoding, NumericEncoding
from batch_platform.models.feature_kinds import feature_kinds
from batch_platform.models.fitting import best_epoch, confidence_slope, deterministic, epochs
from batch_platform.models.network import TabularNetwork
from batch_platform.models.options import TabularOptions
from batch_platform.models.tabular import TabularModel
from batch_platform.models.task import TrainingTask

MINIMUM_ROWS = 50
"""Fewer rows than this, on either side of the validation split, train nothing worth having."""


def trained(table: pa.Table, task: TrainingTask) -> TabularModel:
    """The model of all rows of `table`, see `tabular.train`.

    The network is trained twice. A rehearsal without the newest partitions is scored on them after every epoch and
    stops early, see `best_epoch`; it shows how many epochs are best and how overconfident such a network is about
    a time it has not seen. The second training has all rows, since the newest are worth most, and as many epochs;
    its logits are scaled around the base rate by the slope found.

    Raises:
        ConfigurationError: an option is unknown or out of range, or a feature has a type no network can read.
        ModelError: columns are missing, the label is not 0 or 1 or always the same, or rows are too few.
    """
    options = TabularOptions.from_mapping(task.options)
    labels = task.labels(table)
    newest = task.newest(table, options.validation_share)
    older = ~newest
    if min(older.sum(), newest.sum()) < MINIMUM_ROWS:
        raise ModelError(
            f"{older.sum()} training and {newest.sum()} validation rows are too few to train on",
            fix=f"train on a longer window: each side needs {MINIMUM_ROWS} rows",
        )
    for part in (labels, labels[older]):
        if part.min() == part.max():
            raise ModelError(
                f"all {len(part)} training rows have the same label",
                where=f"label {task.label}",
                fix="train on a longer window, or correct the label's condition",
            )
    with deterministic(options.threads):
        rehearsal = _rehearse(table.filter(pa.array(older)), table.filter(pa.array(newest)), task, options)
        model = next(islice(_epochs(table, task, options), rehearsal.epochs - 1, None))
    offset = (1 - rehearsal.slope) * _logit(labels.mean(dtype=np.float64))
    calibration = np.array([rehearsal.slope, offset], dtype=np.float32)
    return replace(model, weights={**model.weights, "calibration": calibration})


@dataclass(frozen=True)
class _Rehearsal:
    """The best number of epochs, and the slope that the logits after it need on rows that are later."""

    epochs: int
    slope: float


def _rehearse(older: pa.Table, newest: pa.Table, task: TrainingTask, options: TabularOptions) -> _Rehearsal:
    labels = task.labels(newest)
    logits: list[NDArray[np.float64]] = []

    def losses() -> Iterator[float]:
        for model in islice(_epochs(older, task, options), options.epochs):
            logits.append(_logit(model.predict(newest).astype(np.float64)))
            yield float(np.mean(np.logaddexp(0, logits[-1]) - labels * logits[-1]))

    best = best_epoch(losses(), options.patience)
    return _Rehearsal(best, confidence_slope(logits[best - 1], labels))


def _epochs(table: pa.Table, task: TrainingTask, options: TabularOptions) -> Iterator[TabularModel]:
    """The model after each epoch of a training on all rows of `table`; of which there is no last."""
    numeric_names, categorical_names = feature_kinds(table.schema, task.features)
    numeric = NumericEncoding.fit(table, numeric_names, options.bins)
    categorical = CategoricalEncoding.fit(table, categorical_names, options.level_rows(table.num_rows))
    if not numeric.indicator_column.size and not any(categorical.levels):
        raise ModelError(
            "none of the features varies in the training rows, so there is nothing to learn from",
            fix="train on a longer window, or correct the features",
        )
    hidden, embedding = options.hidden, options.embedding
    networks = epochs(
        TabularNetwork(numeric, categorical, hidden, embedding),
        torch.from_numpy(numeric.standardise(table)),
        torch.from_numpy(categorical.codes(table)),
        torch.tensor(task.labels(table)),
        options,
        task.seed,
    )
    for number, network in enumerate(networks, start=1):
        weights = {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}
        yield TabularModel(task.features, numeric, categorical, hidden, embedding, number, weights)


def _logit(probability: Any) -> Any:
    limited = np.clip(probability, 1e-7, 1 - 1e-7)
    return np.log(limited / (1 - limited))
