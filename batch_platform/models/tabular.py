"""The built-in trainer for tables, `trainer: batch_platform.models.tabular:train`, and the model it returns.

The door to training and prediction. How columns become numbers is in `encoding.py`, the arithmetic in
`network.py`, the optimiser's loop in `fitting.py`; registries, gates and metrics are elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from batch_platform.errors import ModelError
from batch_platform.models.encoding import CategoricalEncoding, NumericEncoding, feature_kinds
from batch_platform.models.fitting import confidence_slope, deterministic, fit
from batch_platform.models.network import TabularNetwork
from batch_platform.models.settings import Settings
from batch_platform.models.task import TrainingTask

BATCH_ROWS = 4096
"""Rows of every prediction batch. Kernels round differently at other sizes, so the last batch is padded."""

FORMAT = 1
"""Version of the layout of `TabularModel.tensors` and `TabularModel.config`."""

MINIMUM_ROWS = 50
"""Fewer rows than this, on either side of the validation split, train nothing worth having."""


@dataclass(frozen=True)
class TabularModel:
    """A trained network with the encodings it was trained on; immutable in use, restored without pickle.

    Attributes:
        features: the columns it reads.
        numeric, categorical: how the columns become numbers.
        hidden, embedding: the network's widths, see `Settings`.
        network: the weights.
    """

    features: tuple[str, ...]
    numeric: NumericEncoding
    categorical: CategoricalEncoding
    hidden: tuple[int, ...]
    embedding: int
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
        """What is not a number array, as JSON values: columns, levels and widths."""
        return {
            "format": FORMAT,
            "features": list(self.features),
            "numeric": list(self.numeric.names),
            "categorical": list(self.categorical.names),
            "levels": [list(levels) for levels in self.categorical.levels],
            "hidden": list(self.hidden),
            "embedding": self.embedding,
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
    return TabularModel(tuple(config["features"]), numeric, categorical, hidden, embedding, network.eval())


def _padded(part: NDArray[Any]) -> Tensor:
    full = np.zeros((BATCH_ROWS, part.shape[1]), dtype=part.dtype)
    full[: len(part)] = part
    return torch.from_numpy(full)


def train(table: pa.Table, task: TrainingTask) -> TabularModel:
    """Train on all rows of `table`; the same table, task and machine give the same bytes of tensors.

    The network is trained twice. A first one, without the newest partitions, shows on them how overconfident
    such a network is about a time it has not seen; the second has all rows, since the newest are worth most,
    and its logits are scaled around the base rate by the slope found.

    Raises:
        ConfigurationError: an option is unknown or out of range, or a feature has a type no network can read.
        ModelError: columns are missing, the label is not 0 or 1 or always the same, or rows are too few.
    """
    settings = Settings.from_options(task.options)
    labels = task.labels(table)
    newest = task.newest(table, settings.validation_share)
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
    with deterministic(settings.threads):
        rehearsal = _trained(table.filter(pa.array(older)), labels[older], task, settings)
        unseen = rehearsal.predict(table.filter(pa.array(newest))).astype(np.float64)
        slope = confidence_slope(_logit(unseen), labels[newest])
        model = _trained(table, labels, task, settings)
    offset = (1 - slope) * _logit(labels.mean(dtype=np.float64))
    model.network.calibration.copy_(torch.tensor([slope, offset]))
    return model


def _trained(table: pa.Table, labels: NDArray[np.float32], task: TrainingTask, settings: Settings) -> TabularModel:
    numeric_names, categorical_names = feature_kinds(table.schema, task.features)
    numeric = NumericEncoding.fit(table, numeric_names, settings.bins)
    categorical = CategoricalEncoding.fit(table, categorical_names, settings.level_rows(table.num_rows))
    if not numeric.indicator_column.size and not any(categorical.levels):
        raise ModelError(
            "none of the features varies in the training rows, so there is nothing to learn from",
            fix="train on a longer window, or correct the features",
        )
    network = TabularNetwork(numeric, categorical, settings.hidden, settings.embedding)
    fit(
        network,
        torch.from_numpy(numeric.standardise(table)),
        torch.from_numpy(categorical.codes(table)),
        torch.tensor(labels),
        settings,
        task.seed,
    )
    return TabularModel(task.features, numeric, categorical, settings.hidden, settings.embedding, network.eval())


def _logit(probability: Any) -> Any:
    limited = np.clip(probability, 1e-7, 1 - 1e-7)
    return np.log(limited / (1 - limited))
