"""Values of JSON as Arrow values: which kinds a declared type takes, and which type undeclared values give.

Belongs here: values. Does not belong here: lines, objects and their places in a file (`jsonl_file.py`).
"""

from __future__ import annotations

import json
from decimal import Decimal
from math import isinf
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from batch_platform.errors import SourceError
from batch_platform.snapshots.conversion import parsed, shortened

_EXACT = float(1 << 53)  # a double holds every whole number up to here


class Number(str):
    """A number of JSON as it is written."""

    __slots__ = ()


_NOTHING: type = type(None)
_KINDS: dict[type, str] = {
    Number: "a number",
    str: "text",
    bool: "a boolean",
    _NOTHING: "null",
    list: "a list",
    dict: "an object",
}


def kind_of(value: Any) -> str:
    """What a value is, in words."""
    return _KINDS[type(value)]


def taken_by(kind: pa.DataType) -> set[type]:
    """The kinds of values that a declared type takes; numbers in text are none but for decimals."""
    is_ = pa.types
    if is_.is_boolean(kind):
        return {bool, _NOTHING}
    if is_.is_decimal(kind):
        return {Number, str, _NOTHING}
    return {Number if is_.is_integer(kind) or is_.is_floating(kind) else str, _NOTHING}


def as_json(value: Any) -> str:
    """A value as JSON without spaces, its fields in their order and its numbers as they were written.

    Raises:
        RecursionError: it is nested too deeply.
    """
    if type(value) is dict:
        return "{" + ",".join(f"{as_json(name)}:{as_json(item)}" for name, item in value.items()) + "}"
    if type(value) is list:
        return "[" + ",".join(map(as_json, value)) + "]"
    return str(value) if type(value) is Number else json.dumps(value, ensure_ascii=False)


def as_shown(value: Any) -> str:
    """A value as messages show it: text in quotes, numbers without, at most 40 characters."""
    if type(value) in (dict, list):
        return kind_of(value)
    return repr(shortened(value)) if type(value) is str else shortened(as_json(value))


def as_array(values: list[Any], kind: type, shown: str, column: str, rows_before: int) -> Any:
    """Values of one kind, and nulls, as an Arrow array: booleans as such, text and numbers as text.

    Raises:
        SourceError: a text cannot be stored, since it holds half of a surrogate pair.
    """
    try:
        return pa.array(values, pa.bool_() if kind is bool else pa.string())
    except UnicodeEncodeError:
        index = next(index for index, value in enumerate(values) if type(value) is str and not is_text(value))
        raise SourceError(
            "the text holds half of a surrogate pair",
            where=f"{shown}, row {rows_before + index + 1}, column {column!r}",
            fix="correct the file",
        ) from None


def is_text(value: str) -> bool:
    """Whether a text can be written as UTF-8; JSON may escape half a character."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


class Inference:
    """The columns of a file whose types nobody declared, batch by batch.

    Whole numbers are BIGINT; with others among them, DOUBLE. Text is VARCHAR whatever it looks like. A column of
    nothing but nulls has the type null.
    """

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._chunks: dict[str, list[Any]] = {}
        self._kinds: dict[str, type] = {}
        self._rows = 0

    def add(self, batch: list[dict[str, Any]], names: list[str]) -> None:
        """Take the next rows; `names` are those of all fields that have been met until now, these rows' included.

        Raises:
            SourceError: values of one column are of different kinds, or have no type without a declaration.
        """
        for name in names:
            values = [item.get(name) for item in batch]
            kind = self._agreed(name, values)
            chunks = self._chunks.setdefault(name, [pa.nulls(self._rows)] if self._rows else [])
            if kind is None:
                chunks.append(pa.nulls(len(batch)))
            else:
                chunks.append(as_array(values, kind, self._shown, name, self._rows))
        self._rows += len(batch)

    def table(self) -> pa.Table:
        """All rows, each column in the one type that takes all its values.

        Raises:
            SourceError: whole numbers that no type holds exactly, or rows without any field.
        """
        if self._rows and not self._chunks:
            raise SourceError("no row has any field", where=self._shown, fix="declare `columns`, or take the file away")
        return pa.table({name: self._column(name, chunks) for name, chunks in self._chunks.items()})

    def _agreed(self, name: str, values: list[Any]) -> type | None:
        """The kind of a column's values until now; None as long as there are none."""
        known = self._kinds.get(name)
        found = set(map(type, values)) - {_NOTHING}
        if found <= {known}:
            return known
        if known is None:
            known = next(type(value) for value in values if value is not None)
        for index, value in enumerate(values):
            if value is None or (type(value) is known and known not in (dict, list)):
                continue
            what = (
                f"{kind_of(value)} has no type"
                if type(value) in (dict, list)
                else f"{as_shown(value)} is {kind_of(value)}, earlier values are {_KINDS[known].removeprefix('a ')}"
            )
            raise SourceError(
                what,
                where=f"{self._shown}, row {self._rows + index + 1}, column {name!r}",
                fix="declare `columns`; as VARCHAR, an object or a list is kept as JSON text",
            )
        self._kinds[name] = known
        return known

    def _column(self, name: str, chunks: list[Any]) -> Any:
        kind = self._kinds.get(name)
        if kind is None:
            return pa.nulls(self._rows)
        type_ = pa.bool_() if kind is bool else pa.string()
        values = pa.chunked_array([chunk.cast(type_) for chunk in chunks], type_)
        return self._numbers(name, values) if kind is Number else values

    def _numbers(self, name: str, text: Any) -> Any:
        try:
            return parsed(text, pa.int64())
        except pa.ArrowException:
            pass
        try:
            numbers = parsed(text, pa.float64())
        except pa.ArrowException:
            numbers = None
        large = text if numbers is None else text.filter(pc.greater_equal(pc.abs(numbers), _EXACT))
        rounded = next((value for value in large.to_pylist() if value is not None and _is_rounded(value)), None)
        if rounded is not None:
            raise SourceError(
                f"{shortened(rounded)} would be rounded",
                where=f"{self._shown}, row {pc.index(text, rounded).as_py() + 1}, column {name!r}",
                fix="declare `columns`; DECIMAL(38,0) holds 38 digits",
            )
        return numbers


def _is_rounded(number: str) -> bool:
    """Whether a double would hold another number: a whole one beyond 53 bits, or one that is too large.

    However it is spelled: `9007199254740993.0` is a whole number, too. `6.02e23` is what a double holds to the digits
    that it is written with.
    """
    nearest = float(number)
    if isinf(nearest):
        return number[-1].isdigit()
    if not abs(nearest) >= _EXACT:
        return False
    value = Decimal(number)
    digits = len(value.as_tuple().digits)
    return value == value.to_integral_value() and value != Decimal(f"{nearest:.{digits - 1}e}")
