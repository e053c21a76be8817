"""Arrow columns as numpy arrays, fast: numbers without a copy where that is possible, categories as codes.

Belongs here: reading columns for scoring. What the numbers and codes mean is in `models/encoding.py`, whose results
these equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from batch_platform.models.encoding import UNKNOWN_CODE, numeric_values


def numbers(column: pa.Array) -> NDArray[Any]:
    """The column as floats or integers of its own width, shape (rows,); missing values are NaN, never a copy of what
    has none."""
    types = pa.types
    if types.is_floating(column.type) or (types.is_integer(column.type) and not column.null_count):
        values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return values
    return numeric_values(column)


class CategoryCodes:
    """The codes of one categorical column, see `CategoricalEncoding`.

    Args:
        levels: the column's levels in the order of their codes.
    """

    def __init__(self, levels: Sequence[str | None]) -> None:
        self._levels = pa.array(levels, pa.string())
        self._of_null = self._looked_up(pa.nulls(1, pa.string()))
        self._of_bools = self._looked_up(pa.array(["false", "true"]))
        self._seen: tuple[pa.Array, NDArray[np.intp]] | None = None

    def codes(self, column: pa.Array) -> NDArray[np.intp]:
        """The codes of the column's rows, shape (rows,)."""
        if pa.types.is_dictionary(column.type):
            return self._mapped(column.indices, self._of_dictionary(column.dictionary))
        if pa.types.is_boolean(column.type):
            return self._mapped(pc.cast(column, pa.uint8()), self._of_bools)
        return self._looked_up(pc.cast(column, pa.string()))

    def _mapped(self, positions: pa.Array, codes: NDArray[np.intp]) -> NDArray[np.intp]:
        """The codes at the positions, of which a missing one means null."""
        if positions.null_count:
            positions = pc.fill_null(pc.cast(positions, pa.int64()), len(codes))
        found: NDArray[np.intp] = np.concatenate([codes, self._of_null])[positions.to_numpy()]
        return found

    def _of_dictionary(self, dictionary: pa.Array) -> NDArray[np.intp]:
        """The codes of a dictionary's entries; batches of one file share a dictionary, so the last is remembered."""
        seen = self._seen  # read once: another thread may replace it
        if seen is not None and seen[0].equals(dictionary):
            return seen[1]
        codes = self._looked_up(pc.cast(dictionary, pa.string()))
        self._seen = dictionary, codes
        return codes

    def _looked_up(self, values: pa.Array) -> NDArray[np.intp]:
        positions = pc.fill_null(pc.index_in(values, value_set=self._levels), UNKNOWN_CODE - 1)
        codes: NDArray[np.intp] = np.add(positions.to_numpy(), 1, dtype=np.intp)
        return codes
