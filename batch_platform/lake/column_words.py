"""Columns as 64-bit words: the part of the content digest that looks at values.

Belongs here: one word per row and column (two where 64 bits do not hold the value), equal exactly for equal
values. Does not belong here: combining words into rows and rows into digests (`digest.py`).
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

U64 = npt.NDArray[np.uint64]

LANE_B = np.uint64(0x9E3779B97F4A7C15)
"""Tells the second half of a hash from the first."""

LONG_BYTES = 1024
"""Longer values are hashed one by one, by SHA-256."""

_M1, _M2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_S33 = np.uint64(33)

NULL_HIGH = np.uint64(0xA5A5_1F2E_3D4C_5B6A)
NULL_LOW = NULL_HIGH ^ LANE_B
"""The two words of a null: a present value whose one word happens to be either of them gives another pair."""

_LIST_BLOCK = 16_384
"""Elements of lists that are hashed at a time: what they need stays inside the second-level cache."""

_FIXED = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_date, pa.types.is_timestamp)


def mix(value: U64) -> U64:
    """The 64-bit finalizer of MurmurHash3 (Appleby, 2011): a bijection that spreads every bit."""
    return mix_in_place(value.copy(), np.empty_like(value))


def mix_in_place(value: U64, work: U64) -> U64:
    """`mix` without new arrays: `value` is overwritten and returned, `work` is scratch of the same shape."""
    value ^= np.right_shift(value, _S33, out=work)
    value *= _M1
    value ^= np.right_shift(value, _S33, out=work)
    value *= _M2
    value ^= np.right_shift(value, _S33, out=work)
    return value


def column_words(column: pa.Array) -> tuple[U64, U64 | None]:
    """One 64-bit word per row (two where 64 bits do not hold the value), equal exactly for equal values."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        low, high = column_words(column.dictionary)
        # Null indices point nowhere; the marker below overwrites whatever entry 0 gives them.
        indices = pc.fill_null(column.indices, 0).to_numpy(zero_copy_only=False)
        if len(low) == 0:
            low, high = np.zeros(1, np.uint64), None
        low, high = low[indices], None if high is None else high[indices]
    elif pa.types.is_string(kind) or pa.types.is_binary(kind):
        low, high = _text_words(column)
    elif pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        return column_words(column.cast(pa.string()))
    elif pa.types.is_large_binary(kind):
        return column_words(column.cast(pa.binary()))
    elif pa.types.is_decimal(kind):
        low, high = _decimal_words(column)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        low, high = _list_words(column)
    else:
        low, high = np.empty(len(column), np.uint64), None
        if len(column):
            fill_words(column, low)
    if column.null_count:
        missing = column.is_null().to_numpy(zero_copy_only=False)
        high = np.where(missing, NULL_HIGH, low if high is None else high)
        low = np.where(missing, NULL_LOW, low)
    return low, high


def has_fixed_words(kind: pa.DataType) -> bool:
    """Whether `fill_words` knows the type: numbers, booleans, dates and timestamps."""
    return any(test(kind) for test in _FIXED)


def fill_words(column: pa.Array, words: U64) -> None:
    """Write one word per row of a type with `has_fixed_words` into `words`; where a null is, any word.

    Raises:
        pa.ArrowInvalid: a timestamp is finer than a microsecond.
    """
    kind = column.type
    if pa.types.is_floating(kind):
        values = words.view(np.float64)
        np.add(raw_values(column, kind.to_pandas_dtype()), 0.0, out=values, dtype=np.float64)  # -0.0 becomes 0.0
        if np.isnan(values.sum()):  # a NaN, or infinities of both signs
            values[np.isnan(values)] = np.nan
        return
    if pa.types.is_timestamp(kind):
        column = column if kind.unit == "us" else column.cast(pa.timestamp("us", kind.tz))
        words[:] = raw_values(column, np.uint64)
    elif pa.types.is_date(kind):
        words.view(np.int64)[:] = raw_values(column.cast(pa.date32()), np.int32)
    elif pa.types.is_boolean(kind):
        words[:] = raw_values(column.cast(pa.uint8()), np.uint8)
    elif pa.types.is_unsigned_integer(kind):
        words[:] = raw_values(column, kind.to_pandas_dtype())
    else:
        words.view(np.int64)[:] = raw_values(column, kind.to_pandas_dtype())


def raw_values(column: pa.Array, kind: Any) -> npt.NDArray[Any]:
    """The values of a fixed width where they lie, as a numpy type of that width; where a null is, any value."""
    return np.frombuffer(column.buffers()[1], kind, len(column), column.offset * np.dtype(kind).itemsize)


def _decimal_words(column: pa.Array) -> tuple[U64, U64]:
    wide = column.cast(pa.decimal128(38, column.type.scale))
    raw = np.frombuffer(wide.buffers()[1], dtype=np.uint64)[2 * wide.offset : 2 * (wide.offset + len(wide))]
    pairs = raw.reshape(-1, 2)
    # A value of 64 bits or fewer and its sign extension enter both words.
    return np.ascontiguousarray(pairs[:, 0]), pairs[:, 1] ^ mix(pairs[:, 0].copy())


def _text_words(column: pa.Array) -> tuple[U64, U64]:
    """Hash variable-length bytes eight at a time, all rows at once, one pass per eight bytes of the longest."""
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int32)[column.offset : column.offset + len(column) + 1]
    start, length = offsets[:-1].astype(np.int64), np.diff(offsets).astype(np.int64)
    data = column.buffers()[2]
    low = mix(length.view(np.uint64) ^ _M1)
    high = mix(length.view(np.uint64) ^ _M2)
    if data is None or not length.size or not length.max():
        return low, high
    padded = np.concatenate([np.frombuffer(data, dtype=np.uint8), np.zeros(8, np.uint8)])
    words = np.ndarray(shape=(len(padded) - 7,), dtype="<u8", buffer=padded.data, strides=(1,))
    for row in np.flatnonzero(length > LONG_BYTES):
        # One pass per eight bytes of the longest value would take minutes for a single long one.
        content = data[int(start[row]) : int(start[row] + length[row])]
        words_of_row = np.frombuffer(hashlib.sha256(content).digest()[:16], dtype="<u8")
        low[row], high[row] = words_of_row[0], words_of_row[1]
    position = 0
    rows = np.flatnonzero((length > 0) & (length <= LONG_BYTES))
    while rows.size:
        left = length[rows] - position
        word = words[start[rows] + position].astype(np.uint64)
        surplus = (8 * (8 - np.minimum(left, 8))).astype(np.uint64)
        word = (word << surplus) >> surplus
        low[rows] = mix(low[rows] ^ word)
        high[rows] = mix(high[rows] + word * LANE_B)
        position += 8
        rows = rows[left > 8]
    return low, high


def _list_words(column: Any) -> tuple[U64, U64]:
    """Fold each list's elements with their position, so that order and length count."""
    if pa.types.is_fixed_size_list(column.type) or pa.types.is_large_list(column.type):
        column = column.cast(pa.list_(column.type.value_type))
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    low = mix(lengths.view(np.uint64) ^ _M1)
    high = mix(lengths.view(np.uint64) ^ _M2)
    values = column.flatten()
    ends = np.cumsum(lengths)
    first = 0
    while first < len(lengths):
        done = int(ends[first] - lengths[first])
        last = max(first + 1, int(np.searchsorted(ends, done + _LIST_BLOCK, side="right")))
        part = slice(first, last)
        _fold(values.slice(done, int(ends[last - 1]) - done), lengths[part], low[part], high[part])
        first = last
    return low, high


def _fold(values: pa.Array, lengths: npt.NDArray[np.int64], low: U64, high: U64) -> None:
    """Add the elements of some lists to their words, in place."""
    if len(values) == 0:
        return
    value_low, value_high = column_words(values)
    value_high = (value_low if value_high is None else value_high) * LANE_B
    filled = np.flatnonzero(lengths)
    starts = (np.cumsum(lengths) - lengths)[filled]
    place = (np.arange(len(values)) - np.repeat(starts, lengths[filled])).astype(np.uint64)
    value_low = value_low + place * _M1
    value_high += np.multiply(place, _M2, out=place)
    low[filled] += np.add.reduceat(mix_in_place(value_low, place), starts)
    high[filled] += np.add.reduceat(mix_in_place(value_high, place), starts)
