"""How columns become numbers for a network: fitted on training rows, applied unchanged to later rows.

Numeric columns are standardised and then encoded piecewise linearly over quantile bins; categorical columns
become codes of a fixed list of levels. Only fitting and arithmetic on columns live here; which columns are numbers
is in `feature_kinds.py`, the trained weights that follow are in `network.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from batch_platform.models.feature_kinds import FeatureKind, feature_column

_LARGEST = 1e30
_LARGEST_STANDARDISED = 1e6
_NARROWEST_BIN = 1e-5

UNKNOWN_CODE = 0
"""The code of every level that was not frequent enough, or not there, when the encoding was fitted."""


def numeric_values(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """The column as float64 of shape (rows,), missing values as NaN, infinite ones as infinite."""
    values: NDArray[np.float64] = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return values


@dataclass(frozen=True)
class NumericEncoding:
    """Standardisation and quantile bins of numeric columns.

    The piecewise-linear encoding of Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep
    Learning" (2022), section 3.2: for a bin from a to b, the input is (x - a) / (b - a) limited to 0..1, so
    bins below x are 1, bins above it are 0. Values beyond the training range score as its ends do: nothing
    extrapolates. A missing value takes the place of the median, and an indicator says so.

    Attributes:
        names: the columns, (columns,).
        mean, deviation: float64 (columns,), of the present training values.
        median: float32 (columns,), standardised; what a missing value is replaced with.
        bin_column: int64 (bins,), the column each bin belongs to.
        bin_low, bin_scale: float32 (bins,), the standardised lower edge a and 1 / (b - a).
        indicator_column: int64 (indicators,), the columns that carry information at all: a column that is
            constant or entirely null in training has neither bins nor an indicator and is ignored.
    """

    names: tuple[str, ...]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    median: NDArray[np.float32]
    bin_column: NDArray[np.int64]
    bin_low: NDArray[np.float32]
    bin_scale: NDArray[np.float32]
    indicator_column: NDArray[np.int64]

    @staticmethod
    def fit(table: pa.Table, names: Sequence[str], bins: int) -> NumericEncoding:
        """Statistics of the columns `names` of `table`, with at most `bins` bins a column, in float64."""
        mean, deviation = np.zeros(len(names)), np.ones(len(names))
        median = np.zeros(len(names), dtype=np.float32)
        edges: list[NDArray[np.float32]] = []
        indicators = []
        for index, name in enumerate(names):
            values = numeric_values(feature_column(table, name, FeatureKind.NUMERIC))
            present = values[np.abs(values) < _LARGEST]
            edges.append(np.empty(0, dtype=np.float32))
            if present.size == 0:
                continue
            mean[index], spread = present.mean(), present.std()
            deviation[index] = spread if spread > 0 else 1.0
            quantiles = np.quantile(present, np.linspace(0, 1, bins + 1))
            standardised = ((quantiles - mean[index]) / deviation[index]).astype(np.float32)
            median[index] = (np.median(present) - mean[index]) / deviation[index]
            edges[index] = _distinct(standardised)
            if edges[index].size or np.isnan(values).any():
                indicators.append(index)
        low = [edge[:-1] for edge in edges]
        width = [np.diff(edge) for edge in edges]
        return NumericEncoding(
            names=tuple(names),
            mean=mean,
            deviation=deviation,
            median=median,
            bin_column=np.repeat(np.arange(len(names)), [part.size for part in low]).astype(np.int64),
            bin_low=np.concatenate([np.empty(0, np.float32), *low]),
            bin_scale=np.reciprocal(np.concatenate([np.empty(0, np.float32), *width])),
            indicator_column=np.array(indicators, dtype=np.int64),
        )

    def standardise(self, table: pa.Table) -> NDArray[np.float32]:
        """The columns, standardised in float64 and returned as float32 (rows, columns); missing is NaN."""
        matrix = np.empty((table.num_rows, len(self.names)), dtype=np.float32)
        for index, name in enumerate(self.names):
            values = numeric_values(feature_column(table, name, FeatureKind.NUMERIC))
            limited = np.clip(values, -_LARGEST, _LARGEST)
            standardised = (limited - self.mean[index]) / self.deviation[index]
            matrix[:, index] = np.clip(standardised, -_LARGEST_STANDARDISED, _LARGEST_STANDARDISED)
        return matrix


def _distinct(edges: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sorted edges without those closer than float32 can tell apart from rounding; empty if all are."""
    wide_enough = np.diff(edges, prepend=-np.inf) > _NARROWEST_BIN
    kept = edges[wide_enough]
    return kept if kept.size > 1 else np.empty(0, dtype=np.float32)


@dataclass(frozen=True)
class CategoricalEncoding:
    """The levels of categorical columns; a level's code is its position plus one, 0 is `UNKNOWN_CODE`.

    Attributes:
        names: the columns.
        levels: for each column its levels in order; null, where it is a level, comes last.
    """

    names: tuple[str, ...]
    levels: tuple[tuple[str | None, ...], ...]

    @staticmethod
    def fit(table: pa.Table, names: Sequence[str], minimum_rows: int) -> CategoricalEncoding:
        """Levels that at least `minimum_rows` rows of `table` have; rarer ones are unknown."""
        levels = []
        for name in names:
            counted = pc.value_counts(_category_values(table, name))
            frequent = [entry["values"] for entry in counted.to_pylist() if entry["counts"] >= minimum_rows]
            levels.append(tuple(sorted(frequent, key=lambda level: (level is None, level or ""))))
        return CategoricalEncoding(tuple(names), tuple(levels))

    def widths(self, largest: int) -> list[int]:
        """How many numbers each column's embedding has, at most `largest`: half as many as it has codes."""
        return [min(largest, (len(levels) + 2) // 2) for levels in self.levels]

    def codes(self, table: pa.Table) -> NDArray[np.int64]:
        """The codes of the rows' levels, int64 (rows, columns)."""
        matrix = np.empty((table.num_rows, len(self.names)), dtype=np.int64)
        for index, (name, levels) in enumerate(zip(self.names, self.levels, strict=True)):
            known = pa.array(levels, pa.string())
            positions = pc.index_in(_category_values(table, name), value_set=known)
            matrix[:, index] = pc.add(pc.fill_null(positions, UNKNOWN_CODE - 1), 1).to_numpy()
        return matrix


def _category_values(table: pa.Table, name: str) -> pa.ChunkedArray:
    column = feature_column(table, name, FeatureKind.CATEGORICAL)
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    return pc.cast(column, pa.string())
