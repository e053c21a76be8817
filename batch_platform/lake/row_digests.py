"""A digest of each row by itself: 16 bytes that say whether a row is still what it was.

Belongs here: digests of single rows, to be stored beside them. Does not belong here: the digest of a partition
(`digest.py`), which adds up the same hashes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from batch_platform.lake.column_words import LANE_B, column_words, mix
from batch_platform.lake.digest import column_seed

BYTES = 16


def row_digests(rows: pa.Table, columns: Sequence[str]) -> pa.ChunkedArray:
    """For each row, 16 bytes over the values of some columns, whatever the columns' order, widths and encodings.

    Two rows that differ have the same digest with a probability of about 2^-128.

    Raises:
        LakeError: a column has a type that the lake cannot store.
    """
    names = sorted(columns)
    found = [_digests(batch, names) for batch in rows.select(names).to_batches()]
    return pa.chunked_array(found, pa.binary())


def _digests(batch: pa.RecordBatch, names: Sequence[str]) -> pa.Array:
    lanes = np.zeros((batch.num_rows, 2), np.uint64)
    with np.errstate(over="ignore"):
        for name, column in zip(names, batch.columns, strict=True):
            low, high = column_words(column)
            seed = column_seed(name)
            lanes[:, 0] += mix(low ^ seed)
            lanes[:, 1] += mix((high if high is not None else low) * LANE_B + seed)
        mixed = mix(lanes)
    ends = np.arange(0, BYTES * (batch.num_rows + 1), BYTES, dtype=np.int32)
    return pa.Array.from_buffers(
        pa.binary(), batch.num_rows, [None, pa.py_buffer(ends), pa.py_buffer(mixed.astype("<u8", copy=False).tobytes())]
    )
