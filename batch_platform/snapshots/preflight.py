"""Preflight: whether the files that are there have the columns that a snapshot expects, before any row is read.

Belongs here: comparing what files begin with against the declared columns, or against the table where none are
declared. Does not belong here: looking at files (`file_shape.py`), or reading them (`capture.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import pyarrow as pa

from batch_platform.errors import BatchPlatformError, LakeError, RowKeyError, SourceError
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW, storage_schema
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.partitions import Window
from batch_platform.snapshots.column_types import type_name
from batch_platform.snapshots.conversion import plain_schema
from batch_platform.snapshots.definition import Snapshot, no_rows, stored_columns
from batch_platform.snapshots.file_shape import FIRST_LINES, FileShape
from batch_platform.snapshots.findings import Finding, Findings
from batch_platform.snapshots.listing import Listed
from batch_platform.snapshots.typed_rows import of_one_family

MOST_FILES = 2000
"""How many files one preflight opens at most."""

T = TypeVar("T")

_AT_ONCE = 8  # a file on a network share answers slowly, and most of the time is waiting


@runtime_checkable
class Inspectable(Protocol):
    """A source whose files can be looked at before they are read."""

    @property
    def columns(self) -> dict[str, pa.DataType] | None:
        """The declared columns; None if the files decide."""
        ...

    def files(self, partition_key: str | None, window: Window | None) -> list[Listed]:
        """The partition's files."""
        ...

    def shape(self, file: Listed) -> FileShape:
        """What the beginning of a file tells."""
        ...


def preflight(snapshot: Snapshot, lake: Lake, keys: Sequence[str], most_files: int = MOST_FILES) -> Findings:
    """Compare the files of these partitions with what is expected of them, without reading their rows.

    Of more than `most_files` files, each partition's first and last and some between them are opened; of more than
    `most_files` partitions, the first and the last and some between them are looked into, a file of each.

    Raises:
        LakeError: the table in the lake cannot be read.
    """
    source = snapshot.source
    if not isinstance(source, Inspectable):
        spec = getattr(source, "spec", None)
        return Findings(snapshot.table, partitions=len(keys), unseen=getattr(spec, "origin", type(source).__name__))
    stored = storage_schema(stored_columns(Table(lake, snapshot.table)))
    expected = _Expected(snapshot, source.columns, stored)
    differences: dict[str, list[Finding]] = {key: [] for key in keys}
    found: dict[str, list[Listed]] = {}
    for key in keys:
        try:
            found[key] = source.files(*_asked(snapshot, key))
        except BatchPlatformError as error:
            differences[key].append(Finding(key, "", "", "", str(error), breaks=True, error=error))
    files = sum(map(len, found.values()))
    each = max(1, most_files // max(1, len(keys)))
    chosen = [(key, file) for key in _spread(list(found), most_files) for file in _spread(found[key], each)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        shapes = list(pool.map(source.shape, (file for _, file in chosen)))
    met: dict[str, list[FileShape]] = {}
    for (key, _), shape in zip(chosen, shapes, strict=True):
        met.setdefault(key, []).append(shape)
    for key, own in met.items():
        differences[key] += expected.differences(key, own, all_files=len(chosen) == files)
    ordered = tuple(finding for key in keys for finding in differences[key])
    return Findings(snapshot.table, ordered, len(keys), files, len(chosen))


def _asked(snapshot: Snapshot, key: str) -> tuple[str | None, Window | None]:
    return (None, None) if snapshot.calendar is None else (key, snapshot.calendar.window(key))


def _spread(items: list[T], most: int) -> list[T]:
    """At most so many of them, the first and the last among them if there is room."""
    if len(items) <= most:
        return items
    if most == 1:
        return items[:1]
    return [items[round(step * (len(items) - 1) / (most - 1))] for step in range(most)]


@dataclass(frozen=True)
class _Expected:
    snapshot: Snapshot
    declared: Mapping[str, pa.DataType] | None
    stored: pa.Schema

    def differences(self, key: str, shapes: list[FileShape], all_files: bool) -> Iterator[Finding]:
        """What one partition's files have otherwise."""
        for shape in shapes:
            if shape.problem is not None:
                yield Finding(key, shape.path, "", "", shape.problem.what, breaks=True, error=shape.problem)
        readable = [shape for shape in shapes if shape.problem is None]
        if self.declared is not None:
            yield from self._against_table(key, self.declared)
        for shape in readable:
            yield from self._declared(key, shape) if self.declared is not None else self._undeclared(key, shape)
        whole = all_files and len(readable) == len(shapes) and all(shape.complete for shape in readable)
        yield from self._of_all(key, readable, whole)

    def _against_table(self, key: str, declared: Mapping[str, pa.DataType]) -> Iterator[Finding]:
        """The declaration itself, where the table has been captured with another one."""
        stored = {field.name: field.type for field in self.stored if field.name not in (SOURCE_FILE, SOURCE_ROW)}
        for name, kind in declared.items():
            if stored.get(name, kind) != kind:
                yield Finding(
                    key,
                    "",
                    name,
                    f"was {type_name(stored[name])}",
                    f"is now {type_name(kind)}",
                    breaks=True,
                    of_input=False,
                )
        for name in [name for name in stored if name not in declared and self.snapshot.columns_known]:
            yield Finding(key, "", name, "was captured", "is no longer declared", breaks=True, of_input=False)

    def _declared(self, key: str, shape: FileShape) -> Iterator[Finding]:
        assert self.declared is not None
        for name, kind in self.declared.items():
            wanted = f"declared {type_name(kind)}"
            found = shape.columns.get(name)
            if name not in shape.columns:
                if not shape.sparse:
                    yield Finding(key, shape.path, name, wanted, "missing", breaks=True)
            elif found is not None and not of_one_family(found, kind):
                yield Finding(key, shape.path, name, wanted, f"found {type_name(found)}", breaks=True)
            elif found is not None and found != kind and not pa.types.is_null(found):
                text = f"found {type_name(found)}: cast as long as no value loses anything"
                yield Finding(key, shape.path, name, wanted, text, breaks=False)
        for name in [name for name in shape.columns if name not in self.declared]:
            yield Finding(key, shape.path, name, "not declared", "left out", breaks=False)
        order = [name for name in shape.columns if name in self.declared]
        if shape.complete and order != [name for name in self.declared if name in shape.columns]:
            yield Finding(key, shape.path, "", "columns in another order", "read by name", breaks=False)

    def _undeclared(self, key: str, shape: FileShape) -> Iterator[Finding]:
        if not self.stored.names:
            return
        try:
            kinds = _as_stored(shape)
        except (SourceError, LakeError) as error:
            yield Finding(key, shape.path, "", "", error.what, breaks=True)
            return
        for name, kind in kinds.items():
            if name not in self.stored.names:
                yield Finding(key, shape.path, name, "not in the table", "added", breaks=False)
                continue
            had = self.stored.field(name).type
            # A few lines do not tell a whole number from a fraction: only reading all of them does.
            told = kind is not None and not pa.types.is_null(kind)
            if told and had != kind and (shape.complete or not of_one_family(kind, had)):
                wanted, met = f"the table has {type_name(had)}", f"found {type_name(kind)}"
                yield Finding(key, shape.path, name, wanted, met, breaks=True, of_input=False)
        if shape.complete:
            for name in self.stored.names:
                if name not in (*kinds, SOURCE_FILE, SOURCE_ROW):
                    yield Finding(key, shape.path, name, "in the table", "missing here: null", breaks=False)

    def _of_all(self, key: str, shapes: list[FileShape], whole: bool) -> Iterator[Finding]:
        """What only all files of a partition together can lack."""
        names = {name for shape in shapes for name in shape.columns}
        rows = [shape.rows for shape in shapes]
        if whole and shapes and all(count == 0 for count in rows):
            if not self.snapshot.empty_allowed:
                error = no_rows(self.snapshot, key)
                yield Finding(key, shapes[0].path, "", "", error.what, breaks=True, error=error)
            return
        where = shapes[0].path if shapes else ""
        sparse = any(shape.sparse for shape in shapes)
        for name, kind in (self.declared or {}).items():
            if sparse and name not in names:
                lines = "no row names it" if whole else f"not in the first {FIRST_LINES} lines"
                yield Finding(key, where, name, f"declared {type_name(kind)}", lines, breaks=whole)
        for name in self.snapshot.key:
            if whole and shapes and self.declared is None and name not in names:
                error = RowKeyError(f"key column {name!r} is not in the source", where=self.snapshot.place(key))
                yield Finding(key, where, name, "in the key", "missing", breaks=True, error=error)


def _as_stored(shape: FileShape) -> dict[str, pa.DataType | None]:
    """The columns with the types that the lake would give them."""
    typed = {name: kind for name, kind in shape.columns.items() if kind is not None}
    nulls = {name for name, kind in typed.items() if pa.types.is_null(kind)}
    schema = pa.schema([item for item in typed.items() if item[0] not in nulls])
    known = storage_schema(plain_schema(schema, shape.path))
    stored: Iterable[tuple[str, pa.DataType]] = ((field.name, field.type) for field in known)
    return {**dict.fromkeys(shape.columns), **dict(stored)}
