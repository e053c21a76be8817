"""A table's folder in an object store: a prefix under which objects appear whole.

Belongs here: what an object store does, through the client that delta-rs brings. Does not belong here: what files
mean, or which names they may have (`store.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs

from batch_platform.lake.stored_entry import FRESH_SECONDS, StoredEntry

_PIECE_BYTES = 4 << 20  # smaller than the stream's buffer: delta-rs takes what that flushes, but no Arrow buffer


@dataclass(frozen=True)
class ObjectFolder:
    """One prefix; paths are relative to it. Every method raises OSError when the store refuses or is unreachable."""

    root: str
    options: Mapping[str, str] = field(repr=False)

    @cached_property
    def _files(self) -> pafs.FileSystem:
        from deltalake.fs import DeltaStorageHandler

        return pafs.PyFileSystem(DeltaStorageHandler(self.root, dict(self.options)))

    def open_input(self, path: str) -> pa.NativeFile:
        """Open a file for random access."""
        return self._files.open_input_file(path)

    def size(self, path: str) -> int | None:
        """The size of a file in bytes; None when there is none."""
        found = self._files.get_file_info(path)
        return int(found.size) if found.type == pafs.FileType.File else None

    def put(self, path: str, content: pa.Buffer) -> None:
        """Write a file whose name stands for its content; a young one that holds it already stays as it is."""
        if not self._stands(path, content.size, hashlib.sha256(content)):
            self.replace(path, content)

    def replace(self, path: str, content: pa.Buffer | bytes, *, durable: bool = True) -> None:
        """Write a file, whole or not at all; an object store is always durable."""
        buffer = pa.py_buffer(content) if isinstance(content, bytes) else content
        # Closing a stream completes the object, after an error too: only what is complete is sent.
        with self._files.open_output_stream(path, buffer_size=2 * _PIECE_BYTES) as sink:
            for start in range(0, buffer.size, _PIECE_BYTES):
                sink.write(buffer[start : start + _PIECE_BYTES])

    def adopt(self, path: str, finished: Path) -> None:
        """Send a finished file of this machine."""
        with finished.open("rb") as source:
            if self._stands(path, finished.stat().st_size, hashlib.file_digest(source, "sha256")):
                return
            source.seek(0)
            with self._files.open_output_stream(path, buffer_size=2 * _PIECE_BYTES) as sink:
                while piece := source.read(_PIECE_BYTES):
                    sink.write(piece)

    def entries(self, folder: str) -> Iterator[StoredEntry]:
        """The files under a folder and under its folders."""
        selector = pafs.FileSelector(folder, recursive=True, allow_not_found=True)
        for found in self._files.get_file_info(selector):
            if found.type == pafs.FileType.File:
                yield StoredEntry(found.path, found.size, found.mtime.astimezone(UTC))

    def folders(self) -> list[str]:
        """The names of the folders directly in this one."""
        found = self._files.get_file_info(pafs.FileSelector("", allow_not_found=True))
        return [entry.base_name for entry in found if entry.type == pafs.FileType.Directory]

    def remove(self, path: str) -> None:
        """Delete a file; one that is not there is no error."""
        if self.size(path) is not None:
            self._files.delete_file(path)

    def _stands(self, path: str, size: int, content: hashlib._Hash) -> bool:
        """Whether the very content is there and young: an old one is written again, so that no vacuum takes it."""
        found = self._files.get_file_info(path)
        if found.type != pafs.FileType.File or found.size != size:
            return False
        if datetime.now(UTC) - found.mtime > timedelta(seconds=FRESH_SECONDS):
            return False
        with self.open_input(path) as source:
            return sha256_of(source) == content.hexdigest()


def sha256_of(source: pa.NativeFile) -> str:
    """The SHA-256 of what is left of an opened file, which need not fit into memory."""
    found = hashlib.sha256()
    while piece := source.read(_PIECE_BYTES):
        found.update(piece)
    return found.hexdigest()
