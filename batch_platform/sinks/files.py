"""The files sink: one CSV, Parquet or JSON lines file for each partition, whole or not at all.

A file grows under another name and takes its place at the end, so a reader sees the earlier file or the new one.
"""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from batch_platform.errors import DeliveryError, first_line, is_transient
from batch_platform.lake.store import Lake
from batch_platform.sinks.base import Delivery
from batch_platform.sinks.declared import PARTITION, FileFormat, FilesSink
from batch_platform.sinks.plain_values import csv_ready, csv_schema, json_rows, json_text

_PIECE_BYTES = 4 << 20
_ROW_GROUP_BATCHES = 16
_ABANDONED_SECONDS = 3600


class FilesTarget:
    """Files in a folder, or below a prefix of an object store that is reached as the lake is.

    Args:
        declared: the path and, by its ending, the format.
        project: the folder that relative paths are relative to.
        lake: lends its store's options (endpoint, region) to paths that are URLs.
    """

    def __init__(self, declared: FilesSink, project: Path, lake: Lake) -> None:
        self.name = declared.name
        self._declared, self._project, self._lake = declared, project, lake

    def deliver(self, delivery: Delivery, batches: Iterator[pa.RecordBatch]) -> int:
        """Write the partition's file anew; see `Sink.deliver`."""
        address = self._declared.path.replace(PARTITION, delivery.partition or "all")
        try:
            if "://" in address:
                return self._upload(address, delivery, batches)
            return self._replace(self._project / address, delivery, batches)
        except (OSError, pa.ArrowException) as error:
            raise DeliveryError(
                f"cannot write the file: {first_line(error)}",
                where=f"sink {self.name!r}, {delivery.place}",
                fix="check the folder or store of the sink's path",
                transient=is_transient(error),
            ) from error

    def close(self) -> None:
        """There is nothing to let go of."""

    def _replace(self, target: Path, delivery: Delivery, batches: Iterator[pa.RecordBatch]) -> int:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
        try:
            with partial.open("wb") as sink:
                rows = _WRITERS[self._declared.format](sink, delivery.schema, batches)
                sink.flush()
                os.fsync(sink.fileno())
            partial.replace(target)
        finally:
            with suppress(OSError):
                partial.unlink()
        self._sweep(target)
        return rows

    def _sweep(self, target: Path) -> None:
        """Remove what killed deliveries of the same file left; one that is still growing is younger."""
        for partial in target.parent.glob(f".{_literal(target.name)}.*.partial"):
            with suppress(OSError):
                if time.time() - partial.stat().st_mtime > _ABANDONED_SECONDS:
                    partial.unlink()

    def _upload(self, address: str, delivery: Delivery, batches: Iterator[pa.RecordBatch]) -> int:
        from deltalake.fs import DeltaStorageHandler

        folder, _, name = address.rpartition("/")
        with tempfile.TemporaryFile() as finished:
            rows = _WRITERS[self._declared.format](finished, delivery.schema, batches)
            finished.seek(0)
            store = pafs.PyFileSystem(DeltaStorageHandler(folder, dict(self._lake.options)))
            # Closing the stream completes the object, after an interruption too; those reach only the main thread.
            with ThreadPoolExecutor(1) as uploader:
                uploader.submit(_send, store, name, finished).result()
        return rows


def _send(store: pafs.FileSystem, name: str, finished: IO[bytes]) -> None:
    with store.open_output_stream(name, buffer_size=2 * _PIECE_BYTES) as sink:
        while piece := finished.read(_PIECE_BYTES):
            sink.write(piece)


def _write_csv(sink: IO[bytes], schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
    rows = 0
    with pacsv.CSVWriter(sink, csv_schema(schema)) as writer:
        for batch in batches:
            writer.write_batch(csv_ready(batch))
            rows += batch.num_rows
    return rows


def _write_parquet(sink: IO[bytes], schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
    rows = 0
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        while some := list(islice(batches, _ROW_GROUP_BATCHES)):
            writer.write_table(pa.Table.from_batches(some))
            rows += sum(batch.num_rows for batch in some)
    return rows


def _write_jsonl(sink: IO[bytes], schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
    rows = 0
    for batch in batches:
        sink.write("".join(f"{json_text(row)}\n" for row in json_rows(batch)).encode())
        rows += batch.num_rows
    return rows


_WRITERS: dict[FileFormat, Callable[[IO[bytes], pa.Schema, Iterator[pa.RecordBatch]], int]] = {
    FileFormat.CSV: _write_csv,
    FileFormat.PARQUET: _write_parquet,
    FileFormat.JSONL: _write_jsonl,
}


def _literal(name: str) -> str:
    """A name as a pattern that only it matches."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
