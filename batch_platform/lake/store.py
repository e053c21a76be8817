"""Where tables lie: a folder on a disk or a prefix in an object store, behind one interface.

Belongs here: opening a lake, naming tables safely, making files appear whole. Does not belong here: anything
that knows about rows or commits. Credentials come from the environment only and are never kept or shown.
"""

from __future__ import annotations

import errno
import os
import re
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs

from batch_platform.errors import ConfigurationError, LakeError, first_line

_TABLE_NAME = re.compile(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*")
_PIECE_BYTES = 4 << 20  # smaller than the stream's buffer: delta-rs takes what that flushes, but no Arrow buffer
_CREDENTIAL = re.compile(
    "secret|token|password|credential|authorization|(access|account|storage|master|sas|service_account)_?key", re.I
)


@dataclass(frozen=True)
class Lake:
    """A root under which every asset has one Delta table, at the path that its asset key spells.

    Args:
        root: an absolute folder, or a URL such as `s3://bucket/prefix`.
        options: settings of the object store (endpoint, region, ...), in the names that delta-rs gives them.
            Credentials are refused here: they come from the environment.
    """

    root: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        secret = next((name for name in self.options if _CREDENTIAL.search(name)), None)
        if secret:
            raise ConfigurationError(
                f"the lake option {secret!r} holds a credential", fix="set it as an environment variable instead"
            )

    @property
    def is_local(self) -> bool:
        """Whether the lake is a folder on this machine."""
        return "://" not in self.root

    def uri(self, table: str) -> str:
        """The address of a table's folder; `table` is an asset key such as `features/flight_features`."""
        if not _TABLE_NAME.fullmatch(table):
            raise ConfigurationError(
                f"{table!r} is not a table name", fix="use <stage>/<name> in lower case letters, digits and _"
            )
        return f"{self.root.rstrip('/')}/{table}"

    def open_input(self, table: str, path: str) -> pa.NativeFile:
        """Open a file of a table's folder for random access.

        Raises:
            OSError: it does not exist or cannot be reached.
        """
        if self.is_local:
            # Not mapped into memory: reading beyond the end of a file that was cut short would end the process.
            return pa.OSFile(f"{self.uri(table)}/{path}", "rb")
        return self._store(table).open_input_file(path)

    def size(self, table: str, path: str) -> int | None:
        """The size in bytes of a file in a table's folder; None when there is no such file.

        Raises:
            LakeError: the store refuses or is unreachable.
        """
        try:
            if self.is_local:
                file = Path(self.uri(table)) / path
                return file.stat().st_size if file.is_file() else None
            known = self._store(table).get_file_info(path)
        except OSError as error:
            raise self._refused(f"cannot look for {path}", table, error) from error
        return None if known.type == pafs.FileType.NotFound else int(known.size)

    def put(self, table: str, path: str, content: pa.Buffer) -> None:
        """Put a file into a table's folder, whole or not at all.

        `path` is relative to the table's folder and names the content: a file of that name that holds the same bytes
        stays as it is, one that was damaged since is restored.

        Raises:
            LakeError: the store refuses, is unreachable or is full; nothing is left behind.
        """
        if self.is_local:
            self._put_local(Path(self.uri(table)) / path, content)
            return
        if self.size(table, path) == content.size:
            return
        try:
            # Closing a stream completes the object, after an error too: only what is complete is sent.
            with self._store(table).open_output_stream(path, buffer_size=2 * _PIECE_BYTES) as sink:
                for start in range(0, content.size, _PIECE_BYTES):
                    sink.write(content[start : start + _PIECE_BYTES])
        except (OSError, pa.ArrowException) as error:
            raise self._refused(f"cannot write {path}", table, error) from error

    def workplace(self, table: str, folder: str, spill: Path) -> Path:
        """Where a file grows that `adopt` will take: beside its place on a local disk, else among spilled rows.

        Args:
            table: the table.
            folder: the folder of the file inside the table's, with a slash at its end; empty for the table's own.
            spill: a folder on this machine.
        """
        return Path(self.uri(table)) / folder if self.is_local else spill

    def adopt(self, table: str, path: str, finished: Path) -> None:
        """Put a finished file into a table's folder, whole or not at all; it is gone from where it was.

        Raises:
            LakeError: the store refuses, is unreachable or is full; nothing is left behind.
        """
        try:
            if self.is_local:
                target = Path(self.uri(table)) / path
                with finished.open("rb") as written:
                    os.fsync(written.fileno())
                # Two writers of one name write the same bytes, so whoever comes second changes nothing.
                finished.replace(target)
                _sync_folder(target.parent)
            elif self.size(table, path) != finished.stat().st_size:
                sink = self._store(table).open_output_stream(path, buffer_size=2 * _PIECE_BYTES)
                with sink, finished.open("rb") as source:
                    while piece := source.read(_PIECE_BYTES):
                        sink.write(piece)
        except (OSError, pa.ArrowException) as error:
            raise self._refused(f"cannot write {path}", table, error) from error
        finally:
            with suppress(OSError):
                finished.unlink()

    def _put_local(self, target: Path, content: pa.Buffer) -> None:
        partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
        try:
            if _holds(target, content):
                return
            target.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as sink:
                sink.write(content)
                sink.flush()
                os.fsync(sink.fileno())
            # Two writers of one name write the same bytes, so whoever comes second changes nothing.
            partial.replace(target)
            _sync_folder(target.parent)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            raise LakeError(
                "the disk is full" if full else f"cannot write: {first_line(error)}",
                where=str(target.parent),
                fix="free space and run the partition again" if full else "check the folder's permissions",
            ) from error
        finally:
            with suppress(OSError):
                partial.unlink()

    def _store(self, table: str) -> pafs.FileSystem:
        from deltalake.fs import DeltaStorageHandler

        return pafs.PyFileSystem(DeltaStorageHandler(self.uri(table), dict(self.options)))

    def _refused(self, what: str, table: str, error: Exception) -> LakeError:
        return LakeError(f"{what}: {first_line(error)}", where=table, fix="check the store and its credentials")


def _holds(target: Path, content: pa.Buffer) -> bool:
    """Whether the file is there, with these bytes."""
    if not target.is_file() or target.stat().st_size != content.size:
        return False
    return bool(pa.py_buffer(target.read_bytes()).equals(content))


def _sync_folder(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):  # elsewhere a folder cannot be opened, and its entries need no syncing
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def relation(table: str) -> str:
    """The SQL name of a table of the lake: `features/x` is `"features"."x"`."""
    return ".".join(quote_identifier(part) for part in table.split("/"))


def quote_identifier(name: str) -> str:
    """A name as a SQL identifier that cannot end early."""
    return '"' + name.replace('"', '""') + '"'
