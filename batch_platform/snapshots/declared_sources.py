"""What `source:` says of a database, of a Delta table and of a function: one class for each.

Belongs here: the declarations and what they refuse, free of heavy imports. Does not belong here: reading
(`sql_source.py`, `delta_source.py`, `function_source.py`). An address that may hold a password is never part of a
declaration: it names the environment variable that holds it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from batch_platform.snapshots.sql_text import refuse_query

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_SQL_NAME = re.compile(r"[^\W\d][\w$]{0,62}")
_CALLABLE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Dated(_Declared):
    """A table whose rows a column assigns to partitions."""

    watermark: str | None = Field(
        None, min_length=1, description="The column that says to when a row belongs: start <= watermark < end."
    )
    null_watermarks: Literal["refused", "skipped"] = Field(
        "refused", description="What becomes of a partition while the table holds rows without a watermark."
    )
    zone: str | None = Field(
        None, description="The time zone of times without one: the bounds are then its wall-clock times."
    )

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        if zone is not None:
            try:
                ZoneInfo(zone)
            except (KeyError, ValueError, OSError):
                raise ValueError(f"{zone[:80]!r} is no IANA time zone; expected one such as Europe/Berlin") from None
        return zone


class DatabaseSource(_Dated):
    """Rows of a SQL database: of a table by its watermark, or of a query."""

    url_from: str = Field(description="The environment variable that holds the database's address.")
    table: str | None = Field(None, description="`table` or `schema.table`; its rows in the partition's window.")
    query: str | None = Field(
        None, min_length=1, description="One SELECT instead, with the parameters :start, :end and :partition_key."
    )
    order_by: tuple[str, ...] = Field(
        (), description="Columns by which rows are numbered; by default the table's primary key."
    )

    @field_validator("url_from")
    @classmethod
    def _variable(cls, name: str) -> str:
        if not _VARIABLE.fullmatch(name):
            # It may be an address, and a password in it.
            raise ValueError("expected the name of an environment variable that holds the address, such as SHOP_DB")
        return name

    @field_validator("table")
    @classmethod
    def _table(cls, name: str | None) -> str | None:
        parts = (name or "x").split(".")
        if len(parts) > 2 or not all(_SQL_NAME.fullmatch(part) for part in parts):
            raise ValueError(f"{(name or '')[:80]!r}: expected table or schema.table")
        return name

    @field_validator("query")
    @classmethod
    def _one_select(cls, query: str | None) -> str | None:
        if query is not None:
            refuse_query(query)
        return query

    @model_validator(mode="after")
    def _fits_together(self) -> DatabaseSource:
        if (self.table is None) == (self.query is None):
            raise ValueError("expected exactly one of table and query")
        for name in ("watermark", "null_watermarks"):
            if self.query is not None and name in self.model_fields_set:
                raise ValueError(f"{name}: only with table; a query compares with :start and :end itself")
        for name in ("zone", "null_watermarks"):
            if self.table is not None and name in self.model_fields_set and self.watermark is None:
                raise ValueError(f"{name}: only with watermark")
        return self

    @property
    def origin(self) -> str:
        """Where the rows come from, as messages and rows show it."""
        return f"sql:{self.table or 'query'}"


class DeltaSource(_Dated):
    """Rows of a Delta table that others write."""

    table: str = Field(min_length=1, description="Its folder, relative to the project's root, or address: s3://...")
    partition: str | None = Field(None, description="The column that equals the partition's key in its rows.")
    changes: bool = Field(
        False, description="The rows that commits of the window changed, with `_change_type`; needs the change feed."
    )
    as_of: Literal["latest", "window_end"] = Field(
        "latest", description="Which version is read: the latest, or the one that was current at the window's end."
    )

    @field_validator("table")
    @classmethod
    def _no_credentials(cls, table: str) -> str:
        if "://" in table and (not re.match(r"(s3|az|gs)://[A-Za-z0-9]", table) or re.search(r"[@?#]", table)):
            raise ValueError("expected a folder, or s3://, az:// or gs:// with bucket and path, without credentials")
        return table

    @model_validator(mode="after")
    def _fits_together(self) -> DeltaSource:
        given = [name for name in ("partition", "watermark", "changes") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"expected one of partition, watermark and changes; found {' and '.join(given)}")
        if self.changes and self.as_of != "latest":
            raise ValueError("as_of: not with changes, which are those of the window")
        for name in ("zone", "null_watermarks"):
            if name in self.model_fields_set and self.watermark is None:
                raise ValueError(f"{name}: only with watermark")
        return self

    @property
    def origin(self) -> str:
        """Where the rows come from, as messages show it."""
        return f"delta:{self.table}"


class FunctionSource(_Declared):
    """What a Python function gives for a partition."""

    call: str = Field(
        description="`package.module:function`, called with partition_key, start, end and the options; gives a table "
        "or a reader of pyarrow, or a frame of polars or pandas."
    )
    options: Mapping[str, Any] = Field({}, description="Keyword arguments for it.")
    probe: str | None = Field(
        None, description="`package.module:function` that gives, cheaply, a text that changes when the input does."
    )

    @field_validator("call", "probe")
    @classmethod
    def _callable(cls, name: str | None) -> str | None:
        if name is not None and not _CALLABLE.fullmatch(name):
            raise ValueError(f"{name[:80]!r}: expected package.module:function")
        return name

    @field_validator("options")
    @classmethod
    def _names(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        for name in options:
            if not name.isidentifier() or name in ("partition_key", "start", "end"):
                raise ValueError(f"{name[:80]!r}: expected the name of a further argument")
        return options

    @property
    def origin(self) -> str:
        """Where the rows come from, as messages and rows show it."""
        return f"function:{self.call}"
