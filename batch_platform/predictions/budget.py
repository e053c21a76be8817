"""How many workers fit into the memory that scoring may take.

Belongs here: estimating what a worker holds at most, from footers alone. Does not belong here: measuring what it did.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from batch_platform.engines import WorkerKind
from batch_platform.engines.local import processors
from batch_platform.errors import ConfigurationError
from batch_platform.lake.data_file import ROW_GROUP_ROWS
from batch_platform.lake.store import Lake
from batch_platform.models.runtimes.loading import ModelSource
from batch_platform.predictions.definition import Predictions
from batch_platform.predictions.reader import CHUNK_BYTES
from batch_platform.predictions.shards import Shard
from batch_platform.resources import machine_memory

_COPIES = 5
"""A chunk as it lies in the file, decoded, as the model's numbers, as output columns, and as a file in the making."""

_BASE = {WorkerKind.THREADS: 32 << 20, WorkerKind.PROCESSES: 256 << 20}
"""Bytes of each worker for what does not grow with the rows; a process has libraries of its own."""


def workers_for(
    predictions: Predictions, lake: Lake, shards: Sequence[Shard], kind: WorkerKind, sources: Collection[ModelSource]
) -> int:
    """How many workers score at once: as many as are asked for, or as there are processors, if memory allows.

    Models count as large as their files; worker threads share them, each worker process has its own.

    Raises:
        ConfigurationError: the memory does not even allow one.
    """
    options = predictions.scoring
    wanted = min(options.workers or processors(), max(len(shards), 1))
    budget = options.memory or machine_memory() // 4
    models = sum(_size(source) for source in sources)
    need = _BASE[kind] + _COPIES * _chunk_bytes(predictions, lake, max(shards, key=lambda shard: shard.rows))
    if kind is WorkerKind.PROCESSES:
        need += models
    else:
        budget -= models
    if need > budget:
        raise ConfigurationError(
            f"scoring.memory allows {max(budget, 0) >> 20} MiB, and one worker may need {need >> 20} MiB",
            where=predictions.table,
            fix=f"raise it by {(need - budget >> 20) + 1} MiB",
        )
    return max(1, min(wanted, budget // need))


def _size(source: ModelSource) -> int:
    return sum(path.stat().st_size for path in source.folder.rglob("*") if path.is_file())


def _chunk_bytes(predictions: Predictions, lake: Lake, shard: Shard) -> int:
    """Bytes of the largest chunk that a worker reads, and of the scores that it gets for it."""
    scores = sum(8 * (score.width or 1) for score in predictions.scores)
    rows = min(shard.rows, ROW_GROUP_ROWS)
    try:
        with lake.open_input(predictions.features, shard.path) as source, pq.ParquetFile(source) as file:
            size = sum(file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups))
            # Text as long as it lies in the file; numbers, which are packed there, as wide as they become.
            wide = sum(field.type.bit_width // 8 for field in file.schema_arrow if pa.types.is_primitive(field.type))
            each = size // max(file.metadata.num_rows, 1) + wide
    except (OSError, pa.ArrowException):  # whoever reads its rows will tell
        return CHUNK_BYTES
    return int(min(CHUNK_BYTES, rows * each) + rows * scores)
