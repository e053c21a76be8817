"""Where tables lie: a folder on a disk or a prefix in an object store, behind one interface.

Belongs here: opening a lake, naming tables safely, making files appear whole and go. Does not belong here:
anything that knows about rows or commits. Credentials come from the environment only and are never kept or shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from batch_platform.errors import ConfigurationError, LakeError, first_line
from batch_platform.lake.local_folder import LocalFolder
from batch_platform.lake.object_folder import ObjectFolder, sha256_of
from batch_platform.lake.stored_entry import StoredEntry

_TABLE_NAME = re.compile(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*")
SAFE_NAME = re.compile(r"[A-Za-z0-9_+:-][A-Za-z0-9_.+:-]{0,127}")
"""One folder or file name, on any store."""

_STORED_NAME = re.compile(r"\.?([a-z_]+=)?[A-Za-z0-9_+:-][A-Za-z0-9_.+:-]{0,199}")
"""The name of anything in a table's folder: of a partition, and of a file that grows, too."""

_CREDENTIAL = re.compile(
    "secret|token|password|credential|authorization|(access|account|storage|master|sas|service_account)_?key", re.I
)


class NamedContent(Protocol):
    """A file whose name begins with the SHA-256 of its bytes: a `DataFile`."""

    @property
    def path(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...


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
        secret = credential_in(self.options)
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

    def tables(self) -> list[str]:
        """The names of all folders that can be a table's, in order.

        Raises:
            LakeError: the store refuses or is unreachable.
        """
        with self._saying("cannot list the lake", self.root):
            found = [f"{stage}/{name}" for stage in self._at("").folders() for name in self._at(f"/{stage}").folders()]
        return sorted(name for name in found if _TABLE_NAME.fullmatch(name))

    def open_input(self, table: str, path: str) -> pa.NativeFile:
        """Open a file of a table's folder for random access.

        Raises:
            OSError: it does not exist or cannot be reached.
        """
        return self._folder(table).open_input(path)

    def size(self, table: str, path: str) -> int | None:
        """The size in bytes of a file in a table's folder; None when there is no such file.

        Raises:
            LakeError: the store refuses or is unreachable.
        """
        with self._saying(f"cannot look for {path}", table):
            return self._folder(table).size(path)

    def intact(self, table: str, file: NamedContent) -> bool:
        """Whether a data file is there with the bytes that its name stands for.

        A file that was cut short or overwritten after a loss of power is not. The file is read once, in pieces.

        Raises:
            LakeError: the store refuses or is unreachable.
        """
        with self._saying(f"cannot read {file.path}", table):
            if self.size(table, file.path) != file.size_bytes:
                return False
            try:
                with self.open_input(table, file.path) as source:
                    found = sha256_of(source)
            except FileNotFoundError:
                return False
        return file.path.rpartition("/")[2] == content_name(found)

    def put(self, table: str, path: str, content: pa.Buffer) -> None:
        """Put a file into a table's folder, whole or not at all.

        `path` is relative to the table's folder and names the content: a file of that name that holds the same bytes
        stays as it is, one that was damaged since is restored.

        Raises:
            LakeError: the store refuses, is unreachable or is full; nothing is left behind.
        """
        with self._saying(f"cannot write {path}", table):
            self._folder(table).put(path, content)

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
            with self._saying(f"cannot write {path}", table):
                self._folder(table).adopt(path, finished)
        finally:
            with suppress(OSError):
                finished.unlink()

    def put_text(self, table: str, path: str, text: str, *, durable: bool = True) -> None:
        """Put a small text into a table's folder, whole or not at all; the last writer wins.

        Args:
            table: the table.
            path: such as `_receipts/2026-01-05/3f2a.json`.
            text: the content.
            durable: wait until it outlasts a loss of power.

        Raises:
            LakeError: the path has a piece that is no safe name, or the store refuses; nothing is left behind.
        """
        _refuse_unsafe(table, path, SAFE_NAME)
        with self._saying(f"cannot write {path}", table):
            self._folder(table).replace(path, text.encode(), durable=durable)

    def read_text(self, table: str, path: str) -> str | None:
        """A text that `put_text` wrote; None when there is none. Bytes that are no text are read as U+FFFD.

        Raises:
            LakeError: the path has a piece that is no safe name, or the store refuses or is unreachable.
        """
        _refuse_unsafe(table, path, SAFE_NAME)
        with self._saying(f"cannot read {path}", table):
            try:
                with self.open_input(table, path) as source:
                    return bytes(source.read()).decode(errors="replace")
            except FileNotFoundError:
                return None

    def settle(self, table: str, *paths: str) -> None:
        """Let files of a table's folder that others wrote outlast a loss of power; an object store sees to that itself.

        Args:
            table: the table.
            paths: the files; those that are not there are no error.
        """
        folder = self._folder(table)
        if isinstance(folder, LocalFolder):
            folder.settle(*paths)

    def list(self, table: str, folder: str = "") -> list[StoredEntry]:
        """The files under a folder of a table's, and under its folders, in the order of their paths.

        Args:
            table: the table.
            folder: such as `_receipts`; empty for the table's own. One that is not there is empty.

        Raises:
            LakeError: the path has a piece that is no safe name, or the store refuses or is unreachable.
        """
        if folder:
            _refuse_unsafe(table, folder, _STORED_NAME)
        with self._saying(f"cannot list {folder or 'the folder'}", table):
            return sorted(self._folder(table).entries(folder), key=attrgetter("path"))

    def remove(self, table: str, *paths: str) -> None:
        """Delete files of a table's folder, in this order; those that are not there are no error.

        Raises:
            LakeError: a path has a piece that is no safe name, or the store refuses or is unreachable.
        """
        folder = self._folder(table)
        for path in paths:
            _refuse_unsafe(table, path, _STORED_NAME)
            with self._saying(f"cannot delete {path}", table):
                folder.remove(path)

    def _folder(self, table: str) -> LocalFolder | ObjectFolder:
        return self._at(self.uri(table).removeprefix(self.root.rstrip("/")))

    def _at(self, place: str) -> LocalFolder | ObjectFolder:
        address = f"{self.root.rstrip('/')}{place}"
        return LocalFolder(Path(address)) if self.is_local else ObjectFolder(address, self.options)

    @contextmanager
    def _saying(self, what: str, where: str) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise LakeError(
                f"{what}: {first_line(error)}", where=where, fix="check the store and its credentials"
            ) from error


def credential_in(options: Mapping[str, str]) -> str | None:
    """The name of the first option that holds a credential, which only the environment may; None if there is none."""
    return next((name for name in options if _CREDENTIAL.search(name)), None)


def content_name(sha256: str) -> str:
    """The name of a data file whose bytes have this SHA-256, in hexadecimal digits."""
    return f"{sha256[:32]}.parquet"


def is_stored(path: str) -> bool:
    """Whether a path is one that the platform may have written, so that it may be removed."""
    return _is_safe(path, _STORED_NAME)


def _is_safe(path: str, name: re.Pattern[str]) -> bool:
    return all(name.fullmatch(piece) for piece in path.split("/"))


def _refuse_unsafe(table: str, path: str, name: re.Pattern[str]) -> None:
    if not _is_safe(path, name):
        raise LakeError(
            f"{path[:80]!r} is no path in a table's folder", where=table, fix="use letters, digits, - and _"
        )


def relation(table: str) -> str:
    """The SQL name of a table of the lake: `features/x` is `"features"."x"`."""
    return ".".join(quote_identifier(part) for part in table.split("/"))


def quote_identifier(name: str) -> str:
    """A name as a SQL identifier that cannot end early."""
    return '"' + name.replace('"', '""') + '"'
