"""What a pipeline may declare under `sinks:`, one class for each kind.

Belongs here: the declarations and what they refuse, free of heavy imports. Does not belong here: delivering, or how
YAML spells them (`parsing.py`). Addresses and tokens are never part of a declaration: it names the environment
variables that hold them, so that it can be shown, logged and compared.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import ClassVar

from batch_platform.errors import ConfigurationError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_SQL_NAME = re.compile(r"[^\W\d][\w$]{0,62}")
PARTITION = "{partition}"


class FileFormat(StrEnum):
    """How rows are written to a file; the ending of its name."""

    CSV = "csv"
    PARQUET = "parquet"
    JSONL = "jsonl"


class Mode(StrEnum):
    """How a partition's rows in a SQL table become those of the lake.

    `UPSERT` touches only rows that differ; `REPLACE` deletes the partition and inserts it, in one transaction.
    """

    UPSERT = "upsert"
    REPLACE = "replace"


@dataclass(frozen=True)
class FilesSink:
    """A file for each partition, whole or not at all.

    Args:
        path: with `{partition}` in it; relative to the project, an absolute folder, or a URL such as `s3://...`.
        name: tells it from the table's other sinks.
    """

    path: str
    name: str = "files"
    kind: ClassVar = "files"

    def __post_init__(self) -> None:
        _named(self.name)
        if re.match(r"[^/]+://[^/]*@", self.path) or ("://" in self.path and "?" in self.path):
            raise _wrong(self.name, "its path holds credentials", "set them as the store's environment variables")
        if PARTITION not in self.path:
            raise _wrong(self.name, "its path has no {partition}: one file would overwrite the other", "add it")
        strange = re.search(r"[{}\x00-\x1f\x7f]", self.path.replace(PARTITION, ""))
        if strange or ".." in PurePosixPath(self.path).parts:
            raise _wrong(self.name, f"path {self.path!r}", "give a path without .., and no placeholder but {partition}")
        if PurePosixPath(self.path).suffix[1:] not in list(FileFormat):
            raise _wrong(self.name, f"path {self.path!r}", f"let it end with .{', .'.join(FileFormat)}")

    @property
    def format(self) -> FileFormat:
        """What the path's ending says."""
        return FileFormat(PurePosixPath(self.path).suffix[1:])

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names."""
        return ()


@dataclass(frozen=True)
class DatabaseSink:
    """A table of a SQL database that SQLAlchemy reaches.

    Args:
        url_from: the environment variable that holds the database's address.
        table: `table` or `schema.table`; made if it is missing.
        mode: how rows are replaced.
        name: tells it from the table's other sinks.
    """

    url_from: str
    table: str
    mode: Mode = Mode.UPSERT
    name: str = "database"
    kind: ClassVar = "database"

    def __post_init__(self) -> None:
        _named(self.name)
        _variable(self.name, "url_from", self.url_from)
        parts = self.table.split(".")
        if len(parts) > 2 or not all(_SQL_NAME.fullmatch(part) for part in parts):
            raise _wrong(self.name, f"table {self.table[:80]!r}", "write table or schema.table")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names."""
        return ()


@dataclass(frozen=True)
class RedisSink:
    """A Redis key for each row, whose value is a column or several of them as JSON.

    Args:
        url_from: the environment variable that holds the server's address.
        prefix: what each key begins with.
        value: the column whose text is the value, or several that make a JSON object.
        expire_seconds: after how many seconds a value is gone; None is never.
        name: tells it from the table's other sinks.
    """

    url_from: str
    prefix: str
    value: str | tuple[str, ...]
    expire_seconds: int | None = None
    name: str = "redis"
    kind: ClassVar = "redis"

    def __post_init__(self) -> None:
        _named(self.name)
        _variable(self.name, "url_from", self.url_from)
        if not self.prefix or not self.prefix.isprintable():
            raise _wrong(self.name, f"prefix {self.prefix!r}", "give a prefix such as 'flight_delay:'")
        if not self.value:
            raise _wrong(self.name, "no value", "name a column, or several")
        if self.expire_seconds is not None and self.expire_seconds < 1:
            raise _wrong(self.name, "expire is not positive", "give a duration such as 3d, or leave it out")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names."""
        return (self.value,) if isinstance(self.value, str) else self.value


@dataclass(frozen=True)
class WebhookSink:
    """A POST for each partition, which says that it is there; the rows themselves stay in the lake.

    Args:
        url_from: the environment variable that holds the address.
        secret_from: the environment variable that holds the secret with which the body is signed, if it is to be.
        name: tells it from the table's other sinks.
    """

    url_from: str
    secret_from: str | None = None
    name: str = "webhook"
    kind: ClassVar = "webhook"

    def __post_init__(self) -> None:
        _named(self.name)
        _variable(self.name, "url_from", self.url_from)
        if self.secret_from is not None:
            _variable(self.name, "secret_from", self.secret_from)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names."""
        return ()


SinkDeclaration = FilesSink | DatabaseSink | RedisSink | WebhookSink


def refuse_unknown_columns(sinks: Collection[SinkDeclaration], known: Collection[str]) -> None:
    """Check that every column that a sink names is one of the table.

    Raises:
        ConfigurationError: it is not.
    """
    for declared in sinks:
        lacking = [name for name in declared.columns if name not in known]
        if lacking:
            raise _wrong(declared.name, f"no column {lacking[0]!r}", f"use one of {', '.join(known)}")


def _named(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise _wrong(name[:80], f"name {name[:80]!r}", "use lower case letters, digits and _")


def _variable(sink: str, field: str, name: str) -> None:
    if not _VARIABLE.fullmatch(name):
        # What stands there instead may be the secret itself: it is not repeated.
        raise _wrong(sink, f"{field} is not the name of an environment variable", "name the variable, not its value")


def _wrong(name: str, what: str, fix: str) -> ConfigurationError:
    return ConfigurationError(what, where=f"sink {name!r}", fix=fix)
