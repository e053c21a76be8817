"""Which of a model's answers are scores: those that are there, and finite.

Belongs here: telling them from the others. Does not belong here: what becomes of a row without a score (`failures.py`).
"""

from __future__ import annotations

from collections.abc import Container, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def without_score(columns: Mapping[str, pa.Array], known: Container[int]) -> dict[int, str]:
    """Number of each row that a model answered with nothing, or with no number -> which answer that is.

    Args:
        columns: one array a score field.
        known: rows of which it is known already that they have none.
    """
    found: dict[int, str] = {}
    for name, column in columns.items():
        for row in np.flatnonzero(~usable(column)).tolist():
            if row not in known and row not in found:
                shown = column[row].as_py()
                found[row] = f"the model's {name} is {shown}" if not isinstance(shown, list) else _vector(name)
    return found


def usable(column: pa.Array) -> NDArray[np.bool_]:
    """Whether each score is there and finite; of a vector, all its numbers."""
    kind = column.type
    if pa.types.is_list(kind):
        values = column.flatten()
        good = usable(values) if len(values) else np.empty(0, np.bool_)
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        bad = np.bincount(np.repeat(np.arange(len(column)), lengths), weights=~good, minlength=len(column))
        found: NDArray[np.bool_] = (bad == 0) & column.is_valid().to_numpy(zero_copy_only=False)
        return found
    if pa.types.is_floating(kind) and not column.null_count:
        numbers: NDArray[np.float64] = column.to_numpy(zero_copy_only=False)
        return np.isfinite(numbers)
    finite = pc.is_finite(column) if pa.types.is_floating(kind) else column.is_valid()
    present: NDArray[np.bool_] = pc.fill_null(finite, False).to_numpy(zero_copy_only=False)
    return present


def _vector(name: str) -> str:
    return f"the model's {name} holds a number that is none"
