"""How many workers fit into the memory that scoring may take.

Belongs here: estimating what a worker holds at most, from footers alone. Does not belong here: measuring what it did.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from batch_platform.errors import ConfigurationError
from batch_platform.lake.data_file import ROW_GROUP_ROWS
from batch_platform.lake.store import Lake
from batch_platform.predictions.definition import Predictions
from batch_platform.predictions.reader import CHUNK_BYTES
from batch_platform.predictions.shards import Shard
from batch_platform.resources import machine_memory

_COPIES = 5
"""A chunk as it lies in the file, decoded, as the model's numbers, as output columns, and as a file in the making."""

_BASE = 32 << 20  # of each worker, for what does not grow with the rows


def workers_for(predictions: Predictions, lake: Lake, shards: Sequence[Shard]) -> int:
    """How many workers score at once: as many as are asked for, or as there are processors, if memory allows.

    Raises:
        ConfigurationError: the memory does not even allow one.
    """
    options = predictions.scoring
    wanted = min(options.workers or processors(), max(len(shards), 1))
    budget = options.memory or machine_memory() // 4
    need = _BASE + _COPIES * _chunk_bytes(predictions, lake, max(shards, key=lambda shard: shard.rows))
    if need > budget:
        raise ConfigurationError(
            f"scoring.memory is {budget >> 20} MiB, and one worker may need {need >> 20} MiB",
            where=predictions.table,
            fix=f"raise it to {2 * need >> 20} MiB, or lower scoring.batch_rows",
        )
    return max(1, min(wanted, budget // need))


def processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _chunk_bytes(predictions: Predictions, lake: Lake, shard: Shard) -> int:
    """Bytes of the largest chunk that a worker reads, and of the scores that it gets for it."""
    scores = sum(8 * (score.width or 1) for score in predictions.scores)
    rows = min(shard.rows, ROW_GROUP_ROWS)
    try:
        with lake.open_input(predictions.features, shard.path) as source, pq.ParquetFile(source) as file:
            size = sum(file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups))
            each = size // max(file.metadata.num_rows, 1)
    except (OSError, pa.ArrowException):  # whoever reads its rows will tell
        return CHUNK_BYTES
    return int(min(CHUNK_BYTES, rows * each) + rows * scores)
