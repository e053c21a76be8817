"""The built-in trainer for tables, `trainer: batch_platform.models.tabular:train`, and the model it returns.

The door to training and prediction. How columns become numbers is in `encoding.py`, the arithmetic in
`network.py`, the optimiser's loop in `fitting.py`; registries, gates and metrics are elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from batch_platform.errors import ModelError
from batch_platform.models.encoding import CategoricalEncoding, NumericEncoding
from batch_platform.models.feature_kinds import feature_kinds
from batch_platform.models.fitting import best_epoch, confidence_slope, deterministic, epochs
from batch_platform.models.network import TabularNetwork
from batch_platform.models.options import TabularOptions
from batch_platform.models.task import TrainingTask

BATCH_ROWS = 4096
"""Rows of every prediction batch. Kernels round differently at other sizes, so the last batch is padded."""

FORMAT = 2
"""Version of the layout of `TabularModel.tensors` and `TabularModel.config`."""

MINIMUM_ROWS = 50
"""Fewer rows than this, on either side of the validation split, train nothing worth having."""


@dataclass(frozen=True)
class TabularModel:
    """A trained network with the encodings it was trained on; immutable in use, restored without pickle.

    Attributes:
        features: the columns it reads.
        numeric, categorical: how the columns become numbers.
        hidden, embedding: the network's widths, see `TabularOptions`.
        epochs: how many times training passed over the rows.
        network: the weights.
    """

    features: tuple[str, ...]
    numeric: NumericEncoding
    categorical: CategoricalEncoding
    hidden: tuple[int, ...]
    embedding: int
    epochs: int
    network: TabularNetwork

    def predict(self, batch: pa.RecordBatch | pa.Table) -> NDArray[np.float32]:
        """The probability of label 1 for every row, float32 (rows,).

        A row's bits do not depend on which rows come with it, nor on how many. They do depend on the kind of
        CPU; torch's thread count is the caller's to set.

        Raises:
            ModelError: a feature is missing, or has another type than in training.
        """
        table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
        numeric, codes = self.numeric.standardise(table), self.categorical.codes(table)
        scores = np.empty(table.num_rows, dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, table.num_rows, BATCH_ROWS):
                part = slice(start, start + BATCH_ROWS)
                rows = len(scores[part])
                padded = self.network.probability(_padded(numeric[part]), _padded(codes[part]))
                scores[part] = padded[:rows].numpy()
        return scores

    @property
    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """All numbers of the model by name: encodings first, then weights. With `config` it is the whole model."""
        encodings = {f"numeric.{name}": getattr(self.numeric, name) for name in _NUMERIC_TENSORS}
        weights = {f"network.{name}": tensor.numpy() for name, tensor in self.network.state_dict().items()}
        return {**encodings, **weights}

    @property
    def config(self) -> dict[str, object]:
        """What is not a number array, as JSON values: columns, levels, widths and epochs."""
        return {
            "format": FORMAT,
            "features": list(self.features),
            "numeric": list(self.numeric.names),
            "categorical": list(self.categorical.names),
            "levels": [list(levels) for levels in self.categorical.levels],
            "hidden": list(self.hidden),
            "embedding": self.embedding,
            "epochs": self.epochs,
        }

    @staticmethod
    def from_parts(tensors: Mapping[str, NDArray[np.generic]], config: Mapping[str, object]) -> TabularModel:
        """The model that gave these `tensors` and this `config`; its scores are bit for bit the same.

        Raises:
            ModelError: the parts are of another format, incomplete, or do not fit each other.
        """
        if config.get("format") != FORMAT:
            raise ModelError(
                f"the model has format {config.get('format')!r}, this version reads {FORMAT}",
                fix="load it with the package version that trained it, or train a new version",
            )
        try:
            return _restored(tensors, config)
        except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
            raise ModelError(
                f"the model's parts do not fit each other: {error}", fix="restore the artifact, or train again"
            ) from error


_NUMERIC_TENSORS = ("mean", "deviation", "median", "bin_column", "bin_low", "bin_scale", "indicator_column")


def _restored(tensors: Mapping[str, NDArray[np.generic]], config: Mapping[str, Any]) -> TabularModel:
    arrays = {name: np.array(tensors[f"numeric.{name}"]) for name in _NUMERIC_TENSORS}
    numeric = NumericEncoding(names=tuple(config["numeric"]), **arrays)
    categorical = CategoricalEncoding(tuple(config["categorical"]), tuple(tuple(levels) for levels in config["levels"]))
    hidden, embedding = tuple(config["hidden"]), config["embedding"]
    network = TabularNetwork(numeric, categorical, hidden, embedding)
    prefix = "network."
    network.load_state_dict(
        {
            name.removeprefix(prefix): torch.from_numpy(np.array(array))
            for name, array in tensors.items()
            if name.startswith(prefix)
        }
    )
    features, epoch_count = tuple(config["features"]), config["epochs"]
    return TabularModel(features, numeric, categorical, hidden, embedding, epoch_count, network.eval())


def _padded(part: NDArray[Any]) -> Tensor:
    full = np.zeros((BATCH_ROWS, part.shape[1]), dtype=part.dtype)
    full[: len(part)] = part
    return torch.from_numpy(full)


def train(table: pa.Table, task: TrainingTask) -> TabularModel:
    """Train on all rows of `table`; the same table, task and machine give the same bytes of tensors.

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
    model.network.calibration.copy_(torch.tensor([rehearsal.slope, offset]))
    return model


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
    """The model after each epoch of a training on all rows of `table`; the next epoch changes it."""
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
        yield TabularModel(task.features, numeric, categorical, hidden, embedding, number, network)


def _logit(probability: Any) -> Any:
    limited = np.clip(probability, 1e-7, 1 - 1e-7)
    return np.log(limited / (1 - limited))
