"""A table's folder on this machine's disk: files that appear whole, whatever happens to who writes them.

Belongs here: what a file system does. Does not belong here: what files mean, or which names they may have
(`store.py`).
"""

from __future__ import annotations

import errno
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from batch_platform.errors import LakeError, first_line
from batch_platform.lake.stored_entry import FRESH_SECONDS, StoredEntry


@dataclass(frozen=True)
class LocalFolder:
    """One folder; paths are relative to it."""

    root: Path

    def open_input(self, path: str) -> pa.NativeFile:
        """Open a file for random access.

        Raises:
            OSError: it does not exist or cannot be read.
        """
        # Not mapped into memory: reading beyond the end of a file that was cut short would end the process.
        return pa.OSFile(str(self.root / path), "rb")

    def size(self, path: str) -> int | None:
        """The size of a file in bytes; None when there is none."""
        file = self.root / path
        return file.stat().st_size if file.is_file() else None

    def put(self, path: str, content: pa.Buffer) -> None:
        """Write a file whose name stands for its content; one that holds it already stays as it is."""
        target = self.root / path
        try:
            if _holds(target, content):
                _keep_young(target)
                return
        except OSError as error:
            raise refusal(error, target.parent) from error
        self.replace(path, content)

    def replace(self, path: str, content: pa.Buffer | bytes, *, durable: bool = True) -> None:
        """Write a file, whole or not at all; durable: it outlasts a loss of power."""
        target = self.root / path
        partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as sink:
                sink.write(content)
                sink.flush()
                if durable:
                    os.fsync(sink.fileno())
            partial.replace(target)
            if durable:
                _sync(target.parent)
        except OSError as error:
            raise refusal(error, target.parent) from error
        finally:
            with suppress(OSError):
                partial.unlink()

    def adopt(self, path: str, finished: Path) -> None:
        """Take a finished file of the same file system as one's own."""
        target = self.root / path
        try:
            with finished.open("rb") as written:
                os.fsync(written.fileno())
            # Two writers of one name write the same bytes, so whoever comes second changes nothing.
            finished.replace(target)
            _sync(target.parent)
        except OSError as error:
            raise refusal(error, target.parent) from error

    def settle(self, *paths: str) -> None:
        """Let files that others wrote, and the entries of their folders, outlast a loss of power; if they are there."""
        for path in paths:
            target = self.root / path
            # What was written is there for every reader already: that it could not be made safe is no failure of it.
            with suppress(OSError):
                if target.is_file():
                    with target.open("rb") as written:
                        os.fsync(written.fileno())
                _sync(target.parent)

    def entries(self, folder: str) -> Iterator[StoredEntry]:
        """The files under a folder and under its folders."""
        try:
            found = list(os.scandir(self.root / folder))
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in found:
            path = f"{folder}/{entry.name}" if folder else entry.name
            # A file may go while the folder is read: whoever looks later does not see it either.
            with suppress(FileNotFoundError):
                if entry.is_dir(follow_symlinks=False):
                    yield from self.entries(path)
                elif entry.is_file(follow_symlinks=False):
                    seen = entry.stat(follow_symlinks=False)
                    yield StoredEntry(path, seen.st_size, datetime.fromtimestamp(seen.st_mtime, UTC))

    def folders(self) -> list[str]:
        """The names of the folders directly in this one."""
        try:
            return [entry.name for entry in os.scandir(self.root) if entry.is_dir(follow_symlinks=False)]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def remove(self, path: str) -> None:
        """Delete a file; one that is not there is no error."""
        (self.root / path).unlink(missing_ok=True)


def refusal(error: BaseException, folder: Path | str) -> LakeError:
    """What a disk says when it does not take a file, as an error of ours."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return LakeError(
        "the disk is full" if full else f"cannot write: {first_line(error)}",
        where=str(folder),
        fix="free space and run the partition again" if full else "check the folder's permissions",
    )


def _holds(target: Path, content: pa.Buffer) -> bool:
    """Whether the file is there, with these bytes."""
    if not target.is_file() or target.stat().st_size != content.size:
        return False
    return bool(pa.py_buffer(target.read_bytes()).equals(content))


def _keep_young(target: Path) -> None:
    """Count a file as written now: a vacuum takes old files that no commit names, and this one's commit is to come."""
    if time.time() - target.stat().st_mtime > FRESH_SECONDS:
        os.utime(target)


def _sync(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):  # elsewhere a folder cannot be opened, and its entries need no syncing
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
