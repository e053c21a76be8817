"""The built-in tabular network folded for scoring on a CPU: numpy and Arrow alone, no torch.

Belongs here: the arithmetic of `models/network.py`, rearranged so that most of the time goes into matrix products.
Does not belong here: training, the network as it was trained (`tabular_torch.py`), reading columns (`columns.py`).

What is folded, in float64:

- a bin's 1 / width goes into the first layer's weights, so a bin costs a subtraction and a clip;
- relu(h + b) is max(h, -b) + b, and that b goes through the next layer's weights into its bias, so that no layer adds
  a bias and the last adds all of them at once;
- the calibration's slope and offset go into the last layer.

Values are standardised and compared with the bins' edges exactly as in training, in float64 and float32: folding them
into the weights, too, would lose years and epoch seconds in the rounding. Embeddings stay inputs of the first matrix
product: adding a looked-up row as wide as the layer costs as much as 15 to 35 of its inputs, and
an embedding seldom has more than 8.

Everything is laid out with one row of memory for an input or unit and one column for a row of the table.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from batch_platform.models.encoding import CategoricalEncoding, NumericEncoding
from batch_platform.models.feature_kinds import FeatureKind, feature_column
from batch_platform.models.runtimes.columns import CategoryCodes, numbers

TILE_ROWS = 512
"""Rows of every matrix product, so that products always round alike: whole kernels' worth, and small enough for a
hidden layer to stay in a core's cache."""

_UFUNC_BUFFER = 1024
"""Elements of numpy's ufunc buffer: with the default of 8192, ufuncs copy shorter rows into it to broadcast them."""

_ZERO = np.float32(0)


@dataclass(frozen=True)
class _Bins:
    """The bins of one column: which standardised column, which inputs, and their edges, float32 (bins, 1)."""

    column: int
    inputs: slice
    low: NDArray[np.float32]
    width: NDArray[np.float32]


@dataclass(frozen=True)
class _Layer:
    """A linear layer without its bias, which its units' lower bound and the next layer hold.

    Attributes:
        weight: float32 (units, inputs).
        floor: the least value of each unit, float32 (units, 1): the negated bias.
    """

    weight: NDArray[np.float32]
    floor: NDArray[np.float32]


class _Workspace(threading.local):
    """The arrays that one thread computes in; threads that share a model each get their own."""

    def __init__(self, rows: int, columns: int, inputs: int, units: Sequence[int]) -> None:
        self.exact = np.zeros((columns, rows))
        self.standard = np.zeros((columns, rows), np.float32)
        self.missing = np.zeros((columns, rows), np.bool_)
        self.inputs = np.zeros((inputs, rows), np.float32)
        self.hidden = [np.zeros((count, TILE_ROWS), np.float32) for count in units]
        self.scores = np.zeros(rows, np.float32)


class FoldedTabular:
    """The probability of label 1, within 1e-5 of the network as it was trained.

    A row's bits depend neither on the rows beside it, nor on how many come with it, nor on its place among them, nor
    on `batch_rows`. They do depend on the kind of CPU. Several threads may score at once.

    Args:
        features: the columns of the model.
        numeric, categorical: how they become numbers.
        weights: the network's, by their names in `TabularNetwork`.
        batch_rows: rows to encode at a time, raised to a multiple of `TILE_ROWS`; about 800 bytes each for 16 columns.
    """

    holds_lock = False

    def __init__(
        self,
        features: tuple[str, ...],
        numeric: NumericEncoding,
        categorical: CategoricalEncoding,
        weights: Mapping[str, NDArray[np.float32]],
        batch_rows: int,
    ) -> None:
        self.features = features
        self._numeric_names, self._categorical_names = numeric.names, categorical.names
        self._codes = [CategoryCodes(levels) for levels in categorical.levels]
        self._batch_rows = max(1, -(-batch_rows // TILE_ROWS)) * TILE_ROWS

        self._used = numeric.indicator_column.tolist()
        self._mean = numeric.mean[self._used, np.newaxis]
        self._deviation = numeric.deviation[self._used, np.newaxis]
        self._median = numeric.median[self._used, np.newaxis]
        self._bins = _bins_of(numeric, self._used)
        first = len(numeric.bin_low)
        self._indicators = slice(first, first := first + len(self._used))
        self._embeddings: list[tuple[slice, NDArray[np.float32]]] = []
        for index in range(len(categorical.names)):
            table = np.ascontiguousarray(weights[f"embeddings.{index}.weight"].T)
            self._embeddings.append((slice(first, first := first + len(table)), table))

        self._layers, self._last, self._offset = _folded(weights, numeric.bin_scale)
        units = [len(layer.weight) for layer in self._layers]
        self._workspace = _Workspace(self._batch_rows, len(self._used), first, units)

    def score(self, batch: pa.RecordBatch) -> NDArray[np.float32]:
        """The probability of label 1 for every row, float32 (rows,).

        Raises:
            ModelError: a feature is missing, or has another type than in training.
        """
        columns = [feature_column(batch, name, FeatureKind.NUMERIC) for name in self._numeric_names]
        categories = [feature_column(batch, name, FeatureKind.CATEGORICAL) for name in self._categorical_names]
        values = [numbers(columns[index]) for index in self._used]
        codes = [of.codes(column) for of, column in zip(self._codes, categories, strict=True)]
        scores = np.empty(batch.num_rows, dtype=np.float32)
        # The settings hold for this thread until the block ends; what overflows lies beyond the outermost bin.
        with np.errstate(over="ignore"):
            np.setbufsize(_UFUNC_BUFFER)
            for start in range(0, batch.num_rows, self._batch_rows):
                part = slice(start, start + self._batch_rows)
                rows = len(scores[part])
                self._encode([column[part] for column in values], [column[part] for column in codes], rows)
                scores[part] = self._probabilities(rows)
        return scores

    def _encode(self, values: Sequence[NDArray[np.generic]], codes: Sequence[NDArray[np.intp]], rows: int) -> None:
        """Fill the first `rows` columns of the workspace's inputs; what stands behind them is finite and unused."""
        space = self._workspace
        exact, standard, missing = space.exact[:, :rows], space.standard[:, :rows], space.missing[:, :rows]
        inputs = space.inputs[:, :rows]
        for row, column in zip(exact, values, strict=True):
            row[:] = column
        np.subtract(exact, self._mean, out=exact)
        np.divide(exact, self._deviation, out=exact)
        standard[:] = exact
        np.isnan(standard, out=missing)
        if missing.any():
            np.copyto(standard, self._median, where=missing)
        inputs[self._indicators] = missing
        for bins in self._bins:
            np.subtract(standard[bins.column], bins.low, out=inputs[bins.inputs])
            np.clip(inputs[bins.inputs], _ZERO, bins.width, out=inputs[bins.inputs])
        for (place, table), column in zip(self._embeddings, codes, strict=True):
            np.take(table, column, axis=1, out=inputs[place], mode="clip")

    def _probabilities(self, rows: int) -> NDArray[np.float32]:
        """The scores of the first `rows` columns of the workspace's inputs; a view of the workspace."""
        space = self._workspace
        for start in range(0, rows, TILE_ROWS):
            tile = slice(start, start + TILE_ROWS)
            values = space.inputs[:, tile]
            for layer, hidden in zip(self._layers, space.hidden, strict=True):
                np.matmul(layer.weight, values, out=hidden)
                values = np.maximum(hidden, layer.floor, out=hidden)
            np.matmul(self._last, values, out=space.scores[tile])
        # On all the rows there is room for: the last few of an array may be rounded by another kernel.
        scores = space.scores
        np.subtract(-self._offset, scores, out=scores)
        np.exp(scores, out=scores)
        np.add(scores, np.float32(1), out=scores)
        return np.reciprocal(scores, out=scores)[:rows]


def _bins_of(numeric: NumericEncoding, used: Sequence[int]) -> list[_Bins]:
    found = []
    for index, column in enumerate(used):
        places = np.flatnonzero(numeric.bin_column == column)
        if places.size:
            inputs = slice(int(places[0]), int(places[-1]) + 1)
            width = np.reciprocal(numeric.bin_scale[inputs].astype(np.float64)).astype(np.float32)
            found.append(_Bins(index, inputs, numeric.bin_low[inputs, np.newaxis], width[:, np.newaxis]))
    return found


def _folded(
    weights: Mapping[str, NDArray[np.float32]], bin_scale: NDArray[np.float32]
) -> tuple[list[_Layer], NDArray[np.float32], np.float32]:
    """The hidden layers, the last layer's weights (units,) and what to add to its result: a calibrated logit."""
    count = sum(name.startswith("layers.") and name.endswith(".bias") for name in weights)
    layers: list[_Layer] = []
    carried = np.zeros(0)  # the biases of the layer before, which its units leave to this one
    for index in range(count):
        weight = weights[f"layers.{index}.weight"].astype(np.float64)
        bias = weights[f"layers.{index}.bias"].astype(np.float64)
        if index == 0:
            weight[:, : len(bin_scale)] *= bin_scale
        else:
            bias = bias + weight @ carried
        if index < count - 1:
            layers.append(_Layer(weight.astype(np.float32), -bias[:, np.newaxis].astype(np.float32)))
            carried = bias
    slope, offset = weights["calibration"].astype(np.float64)
    return layers, (weight[0] * slope).astype(np.float32), np.float32(bias[0] * slope + offset)
