"""The rows of a shard as a stream of chunks, each of which fits into memory whatever the file looks like.

Belongs here: reading feature files. Does not belong here: what is done with the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from batch_platform.errors import UnreadableError, first_line
from batch_platform.lake.data_file import ROW_GROUP_ROWS
from batch_platform.lake.store import Lake
from batch_platform.predictions.shards import FeatureFile, Shard

CHUNK_BYTES = 48 << 20
"""Bytes of rows, uncompressed, that are worked on at a time: 65,536 rows of ninety doubles."""

_BUFFER_BYTES = 1 << 20  # of each column, where a row group is too large to be read at once


def feature_file(lake: Lake, table: str, path: str, rows: int, shard_rows: int) -> FeatureFile:
    """A file as `shards.cut` wants it; its footer is read only if the file is more than one shard.

    Raises:
        UnreadableError: the footer cannot be read.
    """
    if rows <= shard_rows:
        return FeatureFile(path, rows)
    with _opened(lake, table, path, ()) as file:
        metadata = file.metadata
        return FeatureFile(path, rows, tuple(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)))


def chunks(lake: Lake, table: str, shard: Shard, columns: Sequence[str], batch_rows: int) -> Iterator[pa.Table]:
    """The rows of a shard in their order; text comes dictionary-encoded, since it repeats.

    Each chunk but the last holds a multiple of `batch_rows` rows.

    Raises:
        UnreadableError: the file is missing, damaged or lacks a column.
    """
    with _opened(lake, table, shard.path, columns) as file:
        first, end = shard.groups or (0, file.num_row_groups)
        most = _chunk_rows(file, first, end, batch_rows)
        if all(file.metadata.row_group(group).num_rows <= most for group in range(first, end)):
            for group in range(first, end):
                yield file.read_row_group(group, columns=list(columns), use_threads=False)
            return
        for batch in file.iter_batches(most, list(range(first, end)), list(columns), use_threads=False):
            yield pa.Table.from_batches([batch])


def ahead(items: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same items, each read while the one before it is worked on: for stores that take long to answer."""
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def _chunk_rows(file: pq.ParquetFile, first: int, end: int, batch_rows: int) -> int:
    rows = sum(file.metadata.row_group(group).num_rows for group in range(first, end))
    size = sum(file.metadata.row_group(group).total_byte_size for group in range(first, end))
    fitting = min(ROW_GROUP_ROWS, CHUNK_BYTES * rows // max(size, 1))
    return int(max(batch_rows, fitting // batch_rows * batch_rows))


@contextmanager
def _opened(lake: Lake, table: str, path: str, columns: Sequence[str]) -> Iterator[pq.ParquetFile]:
    try:
        with lake.open_input(table, path) as source:
            with pq.ParquetFile(source) as probe:
                schema, metadata = probe.schema_arrow, probe.metadata
                lacking = [name for name in columns if name not in schema.names]
                if lacking:
                    raise KeyError(f"it has no column {lacking[0]!r}")
                text = [name for name in columns if pa.types.is_string(schema.field(name).type)]
            large = any(metadata.row_group(g).num_rows > 2 * ROW_GROUP_ROWS for g in range(metadata.num_row_groups))
            with pq.ParquetFile(
                source,
                metadata=metadata,
                read_dictionary=text,
                buffer_size=_BUFFER_BYTES if large else 0,
                pre_buffer=not lake.is_local and not large,
            ) as file:
                yield file
    except (OSError, pa.ArrowException, KeyError) as error:
        raise UnreadableError(
            f"cannot be read: {first_line(error)}", where=f"{table}, file {path}", fix="rebuild the partition"
        ) from error
