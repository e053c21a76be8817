"""A file of a table that grows batch by batch, and has the same bytes as if it had been written at once.

Belongs here: the way of rows into one Parquet file. Does not belong here: what such a file is to the table
(`data_file.py`), and where it is put (`store.py`).
"""

from __future__ import annotations

import hashlib
import io
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from batch_platform.errors import LakeError
from batch_platform.lake.data_file import (
    DataFile,
    Statistics,
    file_name,
    named,
    parquet_bytes,
    parquet_options,
    partition_folder,
)
from batch_platform.lake.local_folder import refusal
from batch_platform.lake.row_groups import bits_of, first_group, is_full
from batch_platform.lake.schema import storable
from batch_platform.lake.store import Lake


class FileWriter:
    """One new file of a table, invisible until a commit names it. `finish` or `discard` it.

    It holds one row group and what is added at a time; a file of more than that grows on a disk.

    Args:
        lake, table, partition: where it belongs.
        spill: a folder for the growing file, if it cannot grow where it belongs.

    Raises:
        PartitionKeyError: the key cannot be the name of a folder.
    """

    def __init__(self, lake: Lake, table: str, partition: str, spill: Path) -> None:
        self._lake, self._table, self._partition, self._spill = lake, table, partition, spill
        self._folder = partition_folder(partition)
        self._waiting: list[pa.Table] = []
        self._statistics = Statistics()
        self._rows = self._waiting_rows = self._waiting_bits = 0
        self._growing: _Growing | None = None

    def add(self, rows: pa.Table) -> None:
        """Take more rows, all of one schema.

        Raises:
            LakeError: a column cannot be stored, or the disk refuses.
        """
        try:
            rows = storable(rows)
        except LakeError as error:
            raise LakeError(error.what, where=self._table, fix=error.fix) from error
        self._statistics.add(rows)
        self._waiting.append(rows)
        self._rows += rows.num_rows
        self._waiting_rows += rows.num_rows
        self._waiting_bits += bits_of(rows)
        if is_full(self._waiting_rows, self._waiting_bits):
            self._write(last=False)

    def finish(self) -> DataFile:
        """Put the file in its place.

        Raises:
            LakeError: the store refuses; nothing is left behind.
        """
        if self._growing is None:
            content = parquet_bytes(pa.concat_tables(self._waiting))
            path, size = f"{self._folder}{file_name(content)}", content.size
            self._lake.put(self._table, path, content)
        else:
            name, size = self._write(last=True)
            path = f"{self._folder}{name}"
            self._lake.adopt(self._table, path, self._growing.path)
        return DataFile(path, self._partition, size, self._rows, self._statistics.json())

    def discard(self) -> None:
        """Forget the rows."""
        self._waiting.clear()
        if self._growing is not None:
            self._growing.discard()

    def _write(self, *, last: bool) -> tuple[str, int]:
        """Write the row groups that no further row can change, or the last ones and the end of the file.

        Returns the name and the size of a file that ended.
        """
        waiting = pa.concat_tables(self._waiting)
        place = self._lake.workplace(self._table, self._folder, self._spill)
        try:
            if self._growing is None:
                self._growing = _Growing(place, waiting.schema)
            bits = self._waiting_bits
            while is_full(waiting.num_rows, bits) or (last and waiting.num_rows):
                group = first_group(waiting)
                self._growing.add(group)
                waiting = waiting.slice(group.num_rows)
                bits -= bits_of(group)
            self._waiting, self._waiting_rows, self._waiting_bits = [waiting], waiting.num_rows, bits
            return self._growing.complete() if last else ("", 0)
        except (OSError, pa.ArrowException) as error:
            self.discard()
            raise refusal(error, place) from error


class _Growing(io.RawIOBase):
    """A Parquet file on a disk, and what writes it; its name comes from its bytes, which are hashed on their way."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f".{uuid.uuid4().hex}.partial"
        self._hash, self._size = hashlib.sha256(), 0
        self._file = self.path.open("wb")
        self._sink = pa.PythonFile(self, mode="w")
        self._writer = pq.ParquetWriter(self._sink, schema, **parquet_options(schema))
        self.add = self._writer.write_table

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        """Take bytes from the writer."""
        self._hash.update(content)
        self._file.write(content)
        size = memoryview(content).nbytes
        self._size += size
        return size

    def complete(self) -> tuple[str, int]:
        """End the file; returns its name and its size in bytes."""
        self._writer.close()
        self._file.close()
        return named(self._hash), self._size

    def discard(self) -> None:
        """Take the file away."""
        with suppress(OSError, pa.ArrowException):
            self._writer.close()
        with suppress(OSError):  # what is still buffered may not fit either
            self._file.close()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
