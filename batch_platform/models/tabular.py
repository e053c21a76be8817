"""The built-in trainer for tables, `trainer: batch_platform.models.tabular:train`, and the model it returns.

The door to training and prediction. How columns become numbers is in `encoding.py`, the arithmetic in
`network.py`, training in `tabular_training.py`, fast scoring in `runtimes/`; registries, gates and metrics are
elsewhere. Torch is imported by those who train or predict eagerly and by nobody else: a model that is read back to
score on a CPU needs none, and importing it takes two seconds and 220 MB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from batch_platform.errors import ModelError
from batch_platform.models.encoding import CategoricalEncoding, NumericEncoding
from batch_platform.models.runtimes.base import BATCH_ROWS, Runtime
from batch_platform.models.runtimes.device import found_device
from batch_platform.models.runtimes.tabular import FoldedTabular
from batch_platform.models.task import TrainingTask

if TYPE_CHECKING:
    from batch_platform.models.runtimes.tabular_torch import TorchTabular

FORMAT = 2
"""Version of the layout of `TabularModel.tensors` and `TabularModel.config`."""


@dataclass(frozen=True)
class TabularModel:
    """A trained network with the encodings it was trained on; immutable, restored without pickle.

    Attributes:
        features: the columns it reads.
        numeric, categorical: how the columns become numbers.
        hidden, embedding: the network's widths, see `TabularOptions`.
        epochs: how many times training passed over the rows.
        weights: the network's, float32, by torch's names for them.
    """

    features: tuple[str, ...]
    numeric: NumericEncoding
    categorical: CategoricalEncoding
    hidden: tuple[int, ...]
    embedding: int
    epochs: int
    weights: Mapping[str, NDArray[np.float32]]

    def predict(self, batch: pa.RecordBatch | pa.Table) -> NDArray[np.float32]:
        """The probability of label 1 for every row, float32 (rows,), by the network as it was trained.

        A row's bits do not depend on which rows come with it, nor on how many. They do depend on the kind of
        CPU; torch's thread count is the caller's to set.

        Raises:
            ModelError: a feature is missing, or has another type than in training.
        """
        return self._eager.score(batch)

    def runtime(self, batch_rows: int, device: str) -> Runtime:
        """The model ready to score many rows: folded on `cpu`, where its scores are within 1e-5 of `predict`.

        Args:
            batch_rows: rows to compute at a time.
            device: `cpu`, `cuda` or `auto`.

        Raises:
            ConfigurationError: the device is unknown or not there.
        """
        found = found_device(device)
        if found == "cpu":
            return FoldedTabular(self.features, self.numeric, self.categorical, self.weights, batch_rows)
        from batch_platform.models.runtimes.tabular_torch import TorchTabular

        return TorchTabular(self, batch_rows, found)

    @cached_property
    def _eager(self) -> TorchTabular:
        from batch_platform.models.runtimes.tabular_torch import TorchTabular

        return TorchTabular(self, BATCH_ROWS, "cpu")

    @property
    def tensors(self) -> dict[str, NDArray[Any]]:
        """All numbers of the model by name: encodings first, then weights. With `config` it is the whole model."""
        encodings = {f"numeric.{name}": getattr(self.numeric, name) for name in _NUMERIC_TENSORS}
        return {**encodings, **{f"{_NETWORK}{name}": array for name, array in self.weights.items()}}

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
    def from_parts(tensors: Mapping[str, NDArray[Any]], config: Mapping[str, object]) -> TabularModel:
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
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ModelError(
                f"the model's parts do not fit each other: {error}", fix="restore the artifact, or train again"
            ) from error


def train(table: pa.Table, task: TrainingTask) -> TabularModel:
    """Train on all rows of `table`; the same table, task and machine give the same bytes of tensors.

    Raises:
        ConfigurationError: an option is unknown or out of range, or a feature has a type no network can read.
        ModelError: columns are missing, the label is not 0 or 1 or always the same, or rows are too few.
    """
    from batch_platform.models.tabular_training import trained

    return trained(table, task)


_NETWORK = "network."
_NUMERIC_TENSORS = ("mean", "deviation", "median", "bin_column", "bin_low", "bin_scale", "indicator_column")


def _restored(tensors: Mapping[str, NDArray[Any]], config: Mapping[str, Any]) -> TabularModel:
    arrays = {name: np.array(tensors[f"numeric.{name}"]) for name in _NUMERIC_TENSORS}
    numeric = NumericEncoding(names=tuple(config["numeric"]), **arrays)
    categorical = CategoricalEncoding(tuple(config["categorical"]), tuple(tuple(levels) for levels in config["levels"]))
    hidden, embedding = tuple(config["hidden"]), config["embedding"]
    shapes = _shapes(numeric, categorical, hidden, embedding)
    if surplus := tensors.keys() - shapes.keys():
        raise ValueError(f"there is no place for {min(surplus)}")
    for name, shape in shapes.items():
        if tensors[name].shape != shape:
            raise ValueError(f"{name} has the shape {tensors[name].shape} instead of {shape}")
    weights = {
        name.removeprefix(_NETWORK): np.array(tensors[name], dtype=np.float32)
        for name in tensors
        if name.startswith(_NETWORK)
    }
    return TabularModel(tuple(config["features"]), numeric, categorical, hidden, embedding, config["epochs"], weights)


def _shapes(
    numeric: NumericEncoding, categorical: CategoricalEncoding, hidden: Sequence[int], embedding: int
) -> dict[str, tuple[int, ...]]:
    """The shape that every tensor must have."""
    columns, bins, indicators = len(numeric.names), len(numeric.bin_low), len(numeric.indicator_column)
    shapes: dict[str, tuple[int, ...]] = {f"numeric.{name}": (columns,) for name in ("mean", "deviation", "median")}
    shapes |= {f"numeric.{name}": (bins,) for name in ("bin_column", "bin_low", "bin_scale")}
    shapes |= {"numeric.indicator_column": (indicators,), f"{_NETWORK}calibration": (2,)}
    widths = categorical.widths(embedding)
    for index, (levels, width) in enumerate(zip(categorical.levels, widths, strict=True)):
        shapes[f"{_NETWORK}embeddings.{index}.weight"] = (len(levels) + 1, width)
    for index, (inputs, outputs) in enumerate(pairwise([bins + indicators + sum(widths), *hidden, 1])):
        shapes[f"{_NETWORK}layers.{index}.weight"] = (outputs, inputs)
        shapes[f"{_NETWORK}layers.{index}.bias"] = (outputs,)
    return shapes
