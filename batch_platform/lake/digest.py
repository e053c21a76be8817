"""The content digest: a fingerprint of a partition's rows that does not depend on how they are stored.

Belongs here: turning Arrow columns into row hashes and row hashes into one digest. Does not belong here:
digests of files (a snapshot's source bytes) or of models.

The digest depends on column names, logical types and values. It does not depend on row order, column order,
file boundaries, encodings, integer or float widths, dictionary encoding, or the engine that wrote the rows.
Digests of disjoint row sets add up, so shards are hashed where they are written and combined afterwards:
a multiset hash (Bellare and Micciancio, "A New Paradigm for Collision-Free Hashing", 1997) over 128-bit row
hashes, each the sum of column-keyed hashes mixed with the 64-bit finalizer of MurmurHash3 (Appleby, 2011).
It detects change and corruption; it does not withstand someone who forges rows on purpose.

Changing anything here invalidates every data version ever recorded: raise `VERSION` if it must happen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from batch_platform.errors import LakeError, first_line

VERSION = "1"
POSITION_COLUMNS = frozenset({"_source_file", "_source_row"})
"""Where a row stood in its source. Moving a row within its source is not a change of content."""

_BATCH_ROWS = 16_384  # the working set of one column stays inside the second-level cache
_MASK = (1 << 64) - 1
_M1, _M2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_LANE_B = np.uint64(0x9E3779B97F4A7C15)
_S33, _S29, _S64 = np.uint64(33), np.uint64(29), 64
_NULL = np.uint64(0xA5A5_1F2E_3D4C_5B6A)

U64 = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class ContentDigest:
    """The digest of a set of rows: how many there are, and the sum of their 128-bit hashes.

    `a + b` is the digest of the rows of both. `shape` names the columns and their logical types; digests of
    different shapes do not add up.
    """

    shape: str
    rows: int = 0
    lane_a: int = 0
    lane_b: int = 0

    def __add__(self, other: ContentDigest) -> ContentDigest:
        if self.shape != other.shape:
            raise LakeError("digests of differently shaped tables do not add up", fix="give both one schema")
        return ContentDigest(
            self.shape,
            self.rows + other.rows,
            (self.lane_a + other.lane_a) & _MASK,
            (self.lane_b + other.lane_b) & _MASK,
        )

    @property
    def hex(self) -> str:
        """The digest as 32 hexadecimal digits."""
        text = f"{VERSION}|{self.shape}|{self.rows}|{self.lane_a:016x}|{self.lane_b:016x}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def digest_table(table: pa.Table | pa.RecordBatch, *, positions: bool = False) -> ContentDigest:
    """The content digest of an Arrow table; columns in `POSITION_COLUMNS` count only if `positions` is set.

    Raises:
        LakeError: a column has a type or a value that the lake cannot store, or two columns have one name.
    """
    names = sorted(name for name in table.schema.names if positions or name not in POSITION_COLUMNS)
    if len(set(names)) < len(names):
        raise LakeError(f"two columns have one name, among {', '.join(names)[:200]}", fix="rename one")
    shape = ",".join(f"{name}:{logical_type(name, table.schema.field(name).type)}" for name in names)
    total = ContentDigest(shape)
    seeds = [_seed(name) for name in names]
    with np.errstate(over="ignore"):
        for batch in _batches(table.select(names)):
            row_a = np.zeros(batch.num_rows, np.uint64)
            row_b = np.zeros(batch.num_rows, np.uint64)
            for name, column, seed in zip(names, batch.columns, seeds, strict=True):
                try:
                    low, high = _column_words(column)
                except pa.ArrowException as error:
                    raise LakeError(f"column {name!r} cannot be digested: {first_line(error)}") from error
                row_a += _mix(low ^ seed)
                row_b += _mix((high if high is not None else low) * _LANE_B + seed)
            total += ContentDigest(
                shape, batch.num_rows, int(_mix(row_a).sum(dtype=np.uint64)), int(_mix(row_b).sum(dtype=np.uint64))
            )
    return total


def combine(digests: Iterable[str]) -> str:
    """One digest for a sequence of digests, in their order: what a reader of several partitions has read."""
    joined = hashlib.sha256()
    for digest in digests:
        joined.update(digest.encode() + b"\n")
    return joined.hexdigest()[:32]


def logical_type(name: str, kind: pa.DataType) -> str:
    """The name under which a type enters the digest: widths and encodings do not count, meaning does."""
    if pa.types.is_dictionary(kind):
        return logical_type(name, kind.value_type)
    for test, label in _LOGICAL:
        if test(kind):
            return label
    if pa.types.is_decimal(kind):
        return f"decimal({kind.scale})"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return f"list<{logical_type(name, kind.value_type)}>"
    raise LakeError(
        f"column {name!r} has type {kind}, which the lake cannot store",
        fix="cast it to a number, text, boolean, date, timestamp or a list of those",
    )


_LOGICAL = (
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_integer, "integer"),
    (pa.types.is_floating, "float"),
    (pa.types.is_string, "string"),
    (pa.types.is_large_string, "string"),
    (pa.types.is_string_view, "string"),
    (pa.types.is_binary, "binary"),
    (pa.types.is_large_binary, "binary"),
    (pa.types.is_date, "date"),
    (pa.types.is_timestamp, "timestamp"),
)


def _batches(table: pa.Table | pa.RecordBatch) -> Iterable[pa.RecordBatch]:
    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    batches: list[pa.RecordBatch] = table.to_batches(max_chunksize=_BATCH_ROWS)
    return batches


def _seed(name: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little"))


def _mix(value: U64) -> U64:
    value = value ^ (value >> _S33)
    value *= _M1
    value ^= value >> _S33
    value *= _M2
    value ^= value >> _S33
    return value


def _column_words(column: pa.Array) -> tuple[U64, U64 | None]:
    """One 64-bit word per row (two where 64 bits do not hold the value), equal exactly for equal values."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        low, high = _column_words(column.dictionary)
        # Null indices point nowhere; the marker below overwrites whatever entry 0 gives them.
        indices = pc.fill_null(column.indices, 0).to_numpy(zero_copy_only=False)
        if len(low) == 0:
            low, high = np.zeros(1, np.uint64), None
        low, high = low[indices], None if high is None else high[indices]
    elif pa.types.is_string(kind) or pa.types.is_binary(kind):
        low, high = _text_words(column)
    elif pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        return _column_words(column.cast(pa.string()))
    elif pa.types.is_large_binary(kind):
        return _column_words(column.cast(pa.binary()))
    elif pa.types.is_decimal(kind):
        low, high = _decimal_words(column)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        low, high = _list_words(column)
    else:
        low, high = _fixed_words(column), None
    if column.null_count:
        missing = column.is_null().to_numpy(zero_copy_only=False)
        low = np.where(missing, _NULL, low)
        high = low if high is None else np.where(missing, _NULL, high)
        # A present value that happens to equal the marker must differ from a null.
        low = low ^ np.where(missing, _LANE_B, np.uint64(0))
    return low, high


def _fixed_words(column: pa.Array) -> U64:
    kind = column.type
    if pa.types.is_floating(kind):
        values = pc.fill_null(column.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False) + 0.0  # -0.0 -> 0.0
        values[np.isnan(values)] = np.nan
        return np.asarray(values.view(np.uint64))
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us", kind.tz)).cast(pa.int64())
    elif pa.types.is_date(kind):
        column = column.cast(pa.date32()).cast(pa.int32())
    elif pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    if pa.types.is_uint64(column.type):
        return np.asarray(pc.fill_null(column, 0).to_numpy(zero_copy_only=False))
    values = pc.fill_null(column, 0).to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
    return np.asarray(values.view(np.uint64))


def _decimal_words(column: pa.Array) -> tuple[U64, U64]:
    wide = column.cast(pa.decimal128(38, column.type.scale))
    raw = np.frombuffer(wide.buffers()[1], dtype=np.uint64)[2 * wide.offset : 2 * (wide.offset + len(wide))]
    pairs = raw.reshape(-1, 2)
    # A value of 64 bits or fewer and its sign extension enter both words.
    return np.ascontiguousarray(pairs[:, 0]), pairs[:, 1] ^ _mix(pairs[:, 0].copy())


def _text_words(column: pa.Array) -> tuple[U64, U64]:
    """Hash variable-length bytes eight at a time, all rows at once, one pass per eight bytes of the longest."""
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int32)[column.offset : column.offset + len(column) + 1]
    start, length = offsets[:-1].astype(np.int64), np.diff(offsets).astype(np.int64)
    data = column.buffers()[2]
    low = _mix(length.view(np.uint64) ^ _M1)
    high = _mix(length.view(np.uint64) ^ _M2)
    if data is None or not length.size or not length.max():
        return low, high
    padded = np.concatenate([np.frombuffer(data, dtype=np.uint8), np.zeros(8, np.uint8)])
    words = np.ndarray(shape=(len(padded) - 7,), dtype="<u8", buffer=padded.data, strides=(1,))
    position = 0
    rows = np.flatnonzero(length > 0)
    while rows.size:
        left = length[rows] - position
        word = words[start[rows] + position].astype(np.uint64)
        surplus = (8 * (8 - np.minimum(left, 8))).astype(np.uint64)
        word = (word << surplus) >> surplus
        low[rows] = _mix(low[rows] ^ word)
        high[rows] = _mix(high[rows] + word * _LANE_B)
        position += 8
        rows = rows[left > 8]
    return low, high


def _list_words(column: Any) -> tuple[U64, U64]:
    """Fold each list's elements with their position, so that order and length count."""
    if pa.types.is_fixed_size_list(column.type) or pa.types.is_large_list(column.type):
        column = column.cast(pa.list_(column.type.value_type))
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    low = _mix(lengths.view(np.uint64) ^ _M1)
    high = _mix(lengths.view(np.uint64) ^ _M2)
    values = column.flatten()
    if len(values) == 0:
        return low, high
    value_low, value_high = _column_words(values)
    ends = np.cumsum(lengths)
    place = (np.arange(len(values)) - np.repeat(ends - lengths, lengths)).astype(np.uint64)
    row = np.repeat(np.arange(len(lengths)), lengths)
    np.add.at(low, row, _mix(value_low + place * _M1))
    np.add.at(high, row, _mix((value_high if value_high is not None else value_low) * _LANE_B + place * _M2))
    return low, high
