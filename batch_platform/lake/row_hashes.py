"""Hashes of rows, summed up: what the content digest costs is decided here.

Belongs here: mixing the words of all columns of a record batch into two 64-bit hashes per row and adding those up,
block by block inside the processor's cache. Does not belong here: the words themselves (`column_words.py`), or what a
digest is called and covers (`digest.py`).

A column of a fixed width is read where it lies; one that says little - a dictionary, a boolean - is hashed once per
distinct value, and one that says the same in every row enters as a number. The sums are the same in every case.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from batch_platform.errors import LakeError, first_line
from batch_platform.lake.column_words import (
    LANE_B,
    NULL_HIGH,
    NULL_LOW,
    U64,
    column_words,
    fill_words,
    has_fixed_words,
    mix,
    mix_in_place,
)

BLOCK_ROWS = 8192
"""Five words a row of scratch: 320 KB, which the second-level cache of any server holds."""

_MASK = (1 << 64) - 1
_FEW = 4
"""A dictionary with more entries than a quarter of the rows is not worth hashing apart from them."""


class _Space:
    """Scratch of one thread: the two hashes of each row of a block, and three words to work with."""

    def __init__(self) -> None:
        self.row_a, self.row_b, self.words, self.work, self.spare = (np.empty(BLOCK_ROWS, np.uint64) for _ in range(5))


class _Spaces(threading.local):
    def __init__(self) -> None:
        self.space = _Space()


_SPACES = _Spaces()


class _Column(Protocol):
    """A column that adds its hashes to those of the rows of a block, which its base is part of already."""

    @property
    def base(self) -> tuple[int, int]: ...

    def add(self, start: int, stop: int, space: _Space) -> None: ...


def lane_sums(batch: pa.RecordBatch, seeds: Mapping[str, np.uint64]) -> tuple[int, int]:
    """The sums of both hashes of all rows, modulo 2^64.

    Args:
        batch: the rows.
        seeds: the columns that count, of types that `column_words` knows, and a number from the name of each.

    Raises:
        LakeError: a value cannot be brought into its type's one form, such as a timestamp finer than a microsecond.
    """
    space, sum_a, sum_b, name = _SPACES.space, 0, 0, ""
    try:
        columns: dict[str, _Column] = {}
        for name, seed in seeds.items() if batch.num_rows else ():
            columns[name] = _prepared(batch.column(name), seed)
        base_a, base_b = (np.uint64(sum(column.base[lane] for column in columns.values()) & _MASK) for lane in (0, 1))
        for start in range(0, batch.num_rows, BLOCK_ROWS):
            size = min(BLOCK_ROWS, batch.num_rows - start)
            row_a, row_b, work = space.row_a[:size], space.row_b[:size], space.work[:size]
            row_a.fill(base_a)
            row_b.fill(base_b)
            for name in columns:
                columns[name].add(start, start + size, space)
            sum_a += int(mix_in_place(row_a, work).sum(dtype=np.uint64))
            sum_b += int(mix_in_place(row_b, work).sum(dtype=np.uint64))
    except pa.ArrowException as error:
        raise LakeError(f"column {name!r} cannot be digested: {first_line(error)}") from error
    return sum_a & _MASK, sum_b & _MASK


def _prepared(column: pa.Array, seed: np.uint64) -> _Column:
    kind = column.type
    if pa.types.is_dictionary(kind):
        entries = len(column.dictionary)
        if entries * _FEW > len(column) and entries > 1:
            return _Any(column, seed)
        return _looked_up(column, seed)
    if pa.types.is_boolean(kind) and not column.null_count:
        hash_a, hash_b = _hashes(pa.array([False, True]), seed)
        step_a, step_b = hash_a[1] - hash_a[0], hash_b[1] - hash_b[0]
        return _Flags(column.to_numpy(zero_copy_only=False), step_a, step_b, (int(hash_a[0]), int(hash_b[0])))
    return _Fixed(column, seed) if has_fixed_words(kind) else _Any(column, seed)


def _looked_up(column: pa.DictionaryArray, seed: np.uint64) -> _Column:
    """A dictionary's column: each entry is hashed once, and a null is one entry more."""
    hash_a, hash_b = _hashes(column.dictionary, seed)
    if len(hash_a) == 1 and not column.indices.null_count:
        return _Same((int(hash_a[0]), int(hash_b[0])))
    if column.indices.null_count:
        null_a, null_b = mix(np.array([NULL_LOW ^ seed])), mix(np.array([NULL_HIGH * LANE_B + seed]))
        hash_a, hash_b = np.concatenate([hash_a, null_a]), np.concatenate([hash_b, null_b])
    places = column.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.intp, copy=column.null_count > 0)
    if column.indices.null_count:
        places[column.indices.is_null().to_numpy(zero_copy_only=False)] = len(hash_a) - 1
    return _LookedUp(places, hash_a, hash_b)


def _hashes(values: pa.Array, seed: np.uint64) -> tuple[U64, U64]:
    low, high = column_words(values)
    return mix(low ^ seed), mix((low if high is None else high) * LANE_B + seed)


@dataclass(frozen=True)
class _Same:
    """One value in all rows."""

    base: tuple[int, int]

    def add(self, start: int, stop: int, space: _Space) -> None:
        """All of it is in the base."""


@dataclass(frozen=True)
class _LookedUp:
    """Each row names one of a few hashes."""

    places: npt.NDArray[np.intp]
    hash_a: U64
    hash_b: U64
    base: tuple[int, int] = (0, 0)

    def add(self, start: int, stop: int, space: _Space) -> None:
        places, work = self.places[start:stop], space.work[: stop - start]
        # "clip" spares numpy a buffer; no place is out of range.
        space.row_a[: stop - start] += np.take(self.hash_a, places, out=work, mode="clip")
        space.row_b[: stop - start] += np.take(self.hash_b, places, out=work, mode="clip")


@dataclass(frozen=True)
class _Flags:
    """False is the base, true adds a step: a product is faster than a choice that nobody can predict."""

    flags: npt.NDArray[np.bool_]
    step_a: np.uint64
    step_b: np.uint64
    base: tuple[int, int]

    def add(self, start: int, stop: int, space: _Space) -> None:
        flags, words, work = self.flags[start:stop], space.words[: stop - start], space.work[: stop - start]
        np.copyto(words, flags)
        space.row_a[: stop - start] += np.multiply(words, self.step_a, out=work)
        space.row_b[: stop - start] += np.multiply(words, self.step_b, out=work)


@dataclass(frozen=True)
class _Fixed:
    """Numbers, dates and times: one word a row, read where it lies."""

    column: pa.Array
    seed: np.uint64
    base: tuple[int, int] = (0, 0)

    def add(self, start: int, stop: int, space: _Space) -> None:
        size = stop - start
        words, work, spare = space.words[:size], space.work[:size], space.spare[:size]
        column = self.column.slice(start, size)
        missing = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
        fill_words(column, words)
        if missing is not None:
            np.copyto(words, NULL_LOW, where=missing)
        space.row_a[:size] += mix_in_place(np.bitwise_xor(words, self.seed, out=work), spare)
        if missing is not None:
            np.copyto(words, NULL_HIGH, where=missing)
        np.multiply(words, LANE_B, out=work)
        work += self.seed
        space.row_b[:size] += mix_in_place(work, spare)


@dataclass(frozen=True)
class _Any:
    """Whatever else: texts, decimals, lists."""

    column: pa.Array
    seed: np.uint64
    base: tuple[int, int] = (0, 0)

    def add(self, start: int, stop: int, space: _Space) -> None:
        hash_a, hash_b = _hashes(self.column.slice(start, stop - start), self.seed)
        space.row_a[: stop - start] += hash_a
        space.row_b[: stop - start] += hash_b
