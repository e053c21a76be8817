"""What a prediction table declares that its model gives, and a runtime's raw output in that form.

Belongs here: declarations such as `float[384]`, and the one conversion of raw output into Arrow columns. Does not
belong here: predicting (`base.py` and its implementations), or judging the values, such as their range.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from batch_platform.errors import ConfigurationError, ModelError, first_line

KINDS: Mapping[str, pa.DataType] = {
    "float": pa.float32(),
    "double": pa.float64(),
    "integer": pa.int64(),
    "text": pa.string(),
    "boolean": pa.bool_(),
}
"""The scalar types that a score may have; `float` and `double` may be vectors, too."""

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_DECLARED = re.compile(
    rf"(?P<kind>[a-z]+)(?:\[(?P<width>[1-9]\d{{0,5}})\])?(?:\s+in\s+\[\s*(?P<low>{_NUMBER})\s*,\s*(?P<high>{_NUMBER})\s*\])?",
    re.ASCII,
)
_PROBABILITY = "float in [0, 1]"


@dataclass(frozen=True)
class ScoreField:
    """One value that a model gives for every row.

    Attributes:
        name: the column.
        kind: its type as it is stored; a vector is a list of float or double.
        between: the least and the greatest allowed value, of every element where it is a vector.
        width: how many elements a vector has; None for a scalar.
    """

    name: str
    kind: pa.DataType
    between: tuple[float, float] | None = None
    width: int | None = None

    @staticmethod
    def parse(name: str, text: str) -> ScoreField:
        """The field that a declaration means.

        Args:
            name: the column.
            text: `probability` (which is `float in [0, 1]`), `float`, `double`, `integer`, `text`, `boolean`,
                `float[384]` or `double[3]`; numbers may end with ` in [low, high]`.

        Raises:
            ConfigurationError: it means none.
        """
        plain = text.strip()
        match = _DECLARED.fullmatch(_PROBABILITY if plain == "probability" else plain)
        kind = KINDS.get(match["kind"]) if match else None
        if match is None or kind is None:
            raise _meaningless(name, text)
        if match["width"] and not pa.types.is_floating(kind):
            raise _meaningless(name, text)
        if match["low"] is None:
            between = None
        elif pa.types.is_floating(kind) or pa.types.is_integer(kind):
            between = float(match["low"]), float(match["high"])
        else:
            raise _meaningless(name, text)
        if between and not (-np.inf < between[0] <= between[1] < np.inf):
            raise ConfigurationError(
                f"{text!r} allows no value", where=f"score {name}", fix="write the lower bound first, both finite"
            )
        width = int(match["width"]) if match["width"] else None
        return ScoreField(name, pa.list_(kind) if width else kind, between, width)

    @property
    def text(self) -> str:
        """The declaration, in one spelling."""
        element = self.kind.value_type if self.width else self.kind
        bare = next(name for name, kind in KINDS.items() if kind == element)
        width = f"[{self.width}]" if self.width else ""
        # As exact as the numbers: a changed limit must change the text.
        limits = f" in [{', '.join(repr(limit).removesuffix('.0') for limit in self.between)}]" if self.between else ""
        return f"{bare}{width}{limits}"


def conform(raw: Any, fields: Sequence[ScoreField], rows: int) -> dict[str, pa.Array]:
    """What a model gave for `rows` rows, as one Arrow array of `rows` values for each declared field.

    Values are not copied where their type is already right, so whatever gave `raw` must not write to it again. Nulls
    and NaN stay as they are. A float64 becomes a declared float; integers become a wider integer, or a float that
    holds each of them exactly; nothing else changes its type.

    Args:
        raw: an array (rows,) for one scalar field; (rows, k) for one vector of width k or for k scalar fields in
            their order; a mapping or a data frame with an entry of such a shape for every field's name. A single
            unnamed or differently named entry stands for a single field; entries beyond the declared are left out.
        fields: what was declared.
        rows: how many rows were predicted.

    Raises:
        ModelError: the shape or the types are not what was declared.
    """
    named = _named(raw)
    if named is not None and len(named) == 1 and len(fields) == 1:
        return {fields[0].name: _column(next(iter(named.values())), fields[0], rows)}
    if named is not None:
        missing = [field.name for field in fields if field.name not in named]
        if missing:
            raise ModelError(
                f"the model gives {_listed(named)}, but not the declared {_listed(missing)}",
                fix="name the prediction table's scores as the model does",
            )
        return {field.name: _column(named[field.name], field, rows) for field in fields}
    if len(fields) == 1:
        return {fields[0].name: _column(raw, fields[0], rows)}
    array = np.asarray(raw)
    if array.shape != (rows, len(fields)) or any(field.width for field in fields):
        raise _other_shape(array.shape, rows, ", ".join(f"{field.name}: {field.text}" for field in fields))
    return {field.name: _column(array[:, place], field, rows) for place, field in enumerate(fields)}


def _named(raw: Any) -> Mapping[Any, Any] | None:
    """The entries by name of a mapping or a data frame; None for an array and for what has numbers for names."""
    pandas = sys.modules.get("pandas")  # who never imported it cannot have made a frame
    if pandas is not None and isinstance(raw, pandas.DataFrame):
        if all(isinstance(name, int | np.integer) for name in raw.columns):
            return None if len(raw.columns) != 1 else {0: raw.iloc[:, 0]}
        return {name: raw.iloc[:, place] for place, name in enumerate(raw.columns)}
    return raw if isinstance(raw, Mapping) else None


def _column(raw: Any, field: ScoreField, rows: int) -> pa.Array:
    if isinstance(raw, np.ndarray) and raw.ndim == 2 and raw.shape[1] == 1 and not field.width:
        raw = raw[:, 0]
    if isinstance(raw, np.ndarray) and raw.dtype != object:
        wanted = (rows, field.width) if field.width else (rows,)
        if raw.shape != wanted:
            raise _other_shape(raw.shape, rows, f"{field.name}: {field.text}")
        if field.width is None:
            return _typed(_flat(raw), field, field.kind)
        offsets = np.arange(0, rows * field.width + 1, field.width, dtype=np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), _typed(_flat(raw), field, field.kind.value_type))
    return _from_objects(raw, field, rows)


def _flat(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(values).reshape(-1)


def _typed(values: npt.NDArray[Any], field: ScoreField, kind: pa.DataType) -> pa.Array:
    """A flat array as Arrow values of a scalar type."""
    if kind == pa.float32() and values.dtype == np.float64:
        with np.errstate(over="ignore"):  # what does not fit becomes infinite, which the scorer judges
            return pa.array(values.astype(np.float32))
    if values.dtype.kind == "U":
        values = values.astype(object)
    try:
        return _cast(pa.array(values), field, kind)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise _other_type(str(values.dtype), field, error) from error


def _from_objects(raw: Any, field: ScoreField, rows: int) -> pa.Array:
    """Lists, series, object arrays and Arrow's own arrays, in which values may be missing."""
    if not hasattr(raw, "__len__") or isinstance(raw, str | bytes):
        raise _other_shape((), rows, f"{field.name}: {field.text}")
    listed = raw.tolist() if isinstance(raw, np.ndarray) else raw
    textual = pa.types.is_string(field.kind)
    try:
        if isinstance(raw, pa.ChunkedArray):
            found = raw.combine_chunks()
        elif isinstance(raw, pa.Array):
            found = raw
        else:
            # Among texts a NaN can only mean that there is none; as a number it is one.
            found = pa.array(listed, from_pandas=textual)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise _other_type(f"{type(raw).__name__}", field, error) from error
    if len(found) != rows:
        raise _other_shape((len(found),), rows, f"{field.name}: {field.text}")
    if pa.types.is_null(found.type):
        return pa.nulls(rows, field.kind)
    if field.width is None:
        return _cast(found, field, field.kind)
    if not (
        pa.types.is_list(found.type) or pa.types.is_large_list(found.type) or pa.types.is_fixed_size_list(found.type)
    ):
        raise _other_type(str(found.type), field, None)
    lengths = pc.list_value_length(found)
    if pc.any(pc.not_equal(lengths, field.width)).as_py():
        found_widths = sorted(set(pc.unique(lengths).to_pylist()) - {None})
        raise _other_shape(
            (rows, found_widths[0] if len(found_widths) == 1 else "varying"), rows, f"{field.name}: {field.text}"
        )
    _cast(pc.list_flatten(found), field, field.kind.value_type)
    return pc.cast(found, field.kind, safe=False)


def _cast(values: pa.Array, field: ScoreField, kind: pa.DataType) -> pa.Array:
    """Values of a type that the declared one holds exactly, or of a wider float."""
    found = values.type
    if pa.types.is_dictionary(found):
        values, found = values.dictionary_decode(), found.value_type
    if found == kind:
        return values
    is_text = pa.types.is_large_string(found) or pa.types.is_string_view(found)
    widens = (
        pa.types.is_null(found)
        or (pa.types.is_string(kind) and is_text)
        or (pa.types.is_floating(kind) and (pa.types.is_floating(found) or pa.types.is_integer(found)))
        or (pa.types.is_integer(kind) and pa.types.is_integer(found))
    )
    if not widens:
        raise _other_type(str(found), field, None)
    try:
        return pc.cast(values, kind)
    except pa.ArrowException as error:
        raise _other_type(str(found), field, error) from error


def _listed(names: Any) -> str:
    return ", ".join(sorted(str(name) for name in names)) or "nothing"


def _other_shape(shape: tuple[object, ...], rows: int, declared: str) -> ModelError:
    shown = f"({shape[0]},)" if len(shape) == 1 else f"({', '.join(map(str, shape))})"
    return ModelError(
        f"the model gave scores of shape {shown} for {rows} rows, declared is {declared}",
        fix="declare under `scores` what the model gives",
    )


def _other_type(found: str, field: ScoreField, error: Exception | None) -> ModelError:
    reason = f": {first_line(error)}" if error else ""
    return ModelError(
        f"the model gave {found} where {field.name}: {field.text} is declared{reason}",
        fix="declare under `scores` what the model gives",
    )


def _meaningless(name: str, text: str) -> ConfigurationError:
    return ConfigurationError(
        f"{text!r} is no declaration of a score",
        where=f"score {name}",
        fix="write probability, float, double, integer, text, boolean, float[384] or double[3]; numbers may end with "
        "`in [0, 1]`",
    )
