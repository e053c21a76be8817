"""What a trainer is asked to do. Every trainer named in YAML takes a table and one `TrainingTask`.

Also how the task's label and time columns are read and checked, since every trainer must refuse the same
tables. No trainer lives here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from batch_platform.errors import ModelError


@dataclass(frozen=True)
class TrainingTask:
    """One supervised binary classification over the columns of one table.

    Attributes:
        features: the columns a model reads, in the order it reads them.
        label: the column to predict: boolean, or a number that is 0 or 1, never null.
        time: the column of string partition keys whose order is the order of time.
        seed: fixes every random choice of a trainer.
        options: the trainer's own settings; a trainer refuses the ones it does not know.
    """

    features: tuple[str, ...]
    label: str
    time: str
    seed: int
    options: Mapping[str, object] = field(default_factory=dict)

    def labels(self, table: pa.Table) -> NDArray[np.float32]:
        """The label column as float32 0 or 1, shape (rows,).

        Raises:
            ModelError: the column is missing, or holds a null or anything but 0 and 1.
        """
        column = _column(table, self.label, "label")
        if column.null_count:
            raise ModelError(
                f"the label is null in {column.null_count} rows",
                where=f"label {self.label}",
                fix="exclude the rows whose outcome is not known",
            )
        if pa.types.is_string(column.type) or pa.types.is_temporal(column.type):
            raise ModelError(f"the label has the type {column.type}, not 0 or 1", where=f"label {self.label}")
        try:
            values: NDArray[np.float32] = np.array(pc.cast(column, pa.float32(), safe=False))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ModelError(
                f"the label has the type {column.type}, not 0 or 1", where=f"label {self.label}"
            ) from error
        if not np.isin(values, (0.0, 1.0)).all():
            raise ModelError(
                "the label holds values other than 0 and 1",
                where=f"label {self.label}",
                fix="state it as a condition, for example delay_minutes > 15",
            )
        return values

    def newest(self, table: pa.Table, share: float) -> NDArray[np.bool_]:
        """Which rows belong to the newest `share` (0..1) of the distinct time values, shape (rows,).

        At least one value is on each side; whole partitions are, so no partition is split.

        Raises:
            ModelError: the time column is missing, not of strings, has nulls, or holds a single value.
        """
        column = _column(table, self.time, "time column")
        if pa.types.is_dictionary(column.type):
            column = pc.cast(column, column.type.value_type)
        if column.null_count or not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            raise ModelError(
                f"the time column must hold partition keys, not {column.type} with {column.null_count} nulls",
                where=f"time column {self.time}",
            )
        keys = sorted(pc.unique(column).to_pylist())
        if len(keys) < 2:
            raise ModelError(
                "the training rows come from a single partition, so there is no later one to validate on",
                where=f"time column {self.time}",
                fix="train on a longer window",
            )
        held_out = min(max(round(share * len(keys)), 1), len(keys) - 1)
        mask: NDArray[np.bool_] = pc.greater_equal(column, keys[-held_out]).to_numpy()
        return mask


def _column(table: pa.Table, name: str, role: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise ModelError("the column is missing from the training rows", where=f"{role} {name}")
    return table.column(name)
