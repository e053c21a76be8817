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
from functools import lru_cache

import numpy as np
import pyarrow as pa

from batch_platform.errors import LakeError
from batch_platform.lake.row_hashes import lane_sums

VERSION = "1"
POSITION_COLUMNS = frozenset({"_source_file", "_source_row"})
"""Where a row stood in its source. Moving a row within its source is not a change of content."""

ROW_DIGEST = "_row_digest"
"""Of the features of a row of predictions, 16 bytes. What it says is content already, so it never counts: tables may
begin and cease to keep it, and their data versions stay."""

_MASK = (1 << 64) - 1


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
    """The content digest of an Arrow table.

    Columns in `POSITION_COLUMNS` count only if `positions` is set, `ROW_DIGEST` never.

    Raises:
        LakeError: a column has a type or a value that the lake cannot store, or two columns have one name.
    """
    names = sorted(
        name for name in table.schema.names if name != ROW_DIGEST and (positions or name not in POSITION_COLUMNS)
    )
    if len(set(names)) < len(names):
        raise LakeError(f"two columns have one name, among {', '.join(names)[:200]}", fix="rename one")
    shape = ",".join(f"{name}:{logical_type(name, table.schema.field(name).type)}" for name in names)
    total = ContentDigest(shape)
    seeds = {name: column_seed(name) for name in names}
    batches = [table] if isinstance(table, pa.RecordBatch) else table.to_batches()
    with np.errstate(over="ignore"):
        for batch in batches:
            lane_a, lane_b = lane_sums(batch, seeds)
            total += ContentDigest(shape, batch.num_rows, lane_a, lane_b)
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


@lru_cache(10_000)
def column_seed(name: str) -> np.uint64:
    """A number from a column's name, which keeps equal values of different columns apart."""
    return np.uint64(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little"))
