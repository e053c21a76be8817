"""What a torch module's `forward` is given: columns stacked into a tensor, a column of vectors, or a list of texts.

Belongs here: the declaration and the conversion from Arrow. Does not belong here: the module (`torch_module.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch

from batch_platform.errors import ModelError

TEXT = "text"

_DTYPES = {
    "float32": pa.float32(),
    "float64": pa.float64(),
    "int64": pa.int64(),
    "int32": pa.int32(),
    "bool": pa.bool_(),
}


@dataclass(frozen=True)
class TensorInput:
    """One argument of `forward`.

    Attributes:
        columns: numeric or boolean columns, stacked to (rows, columns); or one column of vectors, (rows, length); or
            one column of texts, a list of strings.
        dtype: `float32`, `float64`, `int64`, `int32` or `bool`; `text` for a list of strings.

    Raises:
        ModelError: the dtype is unknown, there is no column, or several columns of text.
    """

    columns: tuple[str, ...]
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.dtype not in (TEXT, *_DTYPES):
            raise ModelError(f"{self.dtype!r} is no type of an input", fix=f"use one of {', '.join((TEXT, *_DTYPES))}")
        if not self.columns or (self.dtype == TEXT and len(self.columns) != 1):
            raise ModelError(f"an input of {self.dtype} has {len(self.columns)} columns", fix="give text one column")

    @property
    def config(self) -> dict[str, object]:
        """As JSON values."""
        return {"columns": list(self.columns), "dtype": self.dtype}

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> TensorInput:
        """The input that gave this `config`."""
        return TensorInput(tuple(config["columns"]), config["dtype"])

    def refuse_unfit(self, schema: pa.Schema) -> None:
        """Refuse columns that this input cannot be made of.

        Raises:
            ModelError: naming the column, the wanted and the found type.
        """
        for name in self.columns:
            found = schema.field(name).type
            vector = _is_vector(found) and len(self.columns) == 1
            fits = _is_text(found) if self.dtype == TEXT else _is_number(found.value_type if vector else found)
            if not fits:
                raise ModelError(
                    f"the model wants {self.dtype}, the column has the type {found}",
                    where=f"feature {name}",
                    fix="cast the column in the features' SQL",
                )

    def tensor(self, rows: pa.RecordBatch) -> torch.Tensor | list[str]:
        """The argument for some rows; a missing number is NaN where the type has one, a missing text is empty.

        Raises:
            ValueError: a number is missing where the type has no NaN, or vectors are missing or differ in length.
            pyarrow.ArrowInvalid: a number does not fit the type.
        """
        if self.dtype == TEXT:
            texts: list[str] = pc.fill_null(pc.cast(rows.column(self.columns[0]), pa.string()), "").to_pylist()
            return texts
        kind = _DTYPES[self.dtype]
        first = rows.column(self.columns[0])
        if _is_vector(first.type):
            return torch.from_numpy(self._vectors(first, kind))
        stacked = np.empty((rows.num_rows, len(self.columns)), dtype=kind.to_pandas_dtype())
        for place, name in enumerate(self.columns):
            stacked[:, place] = _numbers(rows.column(name), kind, name)
        return torch.from_numpy(stacked)

    def _vectors(self, column: pa.Array, kind: pa.DataType) -> npt.NDArray[Any]:
        name = self.columns[0]
        lengths = pc.unique(pc.list_value_length(column)).to_pylist()
        if len(lengths) != 1 or lengths[0] is None:
            raise ValueError(f"the vectors in {name} are missing or of lengths {lengths}")
        values = _numbers(pc.list_flatten(column), kind, name)
        return np.array(values).reshape(len(column), lengths[0])


def _numbers(column: pa.Array, kind: pa.DataType, name: str) -> npt.NDArray[Any]:
    if column.null_count and not pa.types.is_floating(kind):
        raise ValueError(f"{name} is missing in {column.null_count} rows, and {kind} has no value for that")
    if pa.types.is_boolean(column.type) and kind != pa.bool_():
        column = pc.cast(column, pa.int8())
    # Narrowing a double to the float that the module computes with is what its author declared.
    cast = pc.cast(column, kind, safe=not pa.types.is_floating(kind))
    numbers: npt.NDArray[Any] = cast.to_numpy(zero_copy_only=False)
    return numbers


def _is_vector(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_text(kind: pa.DataType) -> bool:
    plain = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return bool(plain or (pa.types.is_dictionary(kind) and _is_text(kind.value_type)))


def _is_number(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind))
