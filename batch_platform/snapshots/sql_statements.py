"""What is asked of a database for one partition: rows of a table in a window, or a user's query with its parameters.

Belongs here: statements. Every value is a bound parameter. Does not belong here: running them (`sql_session.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import NoSuchTableError

from batch_platform.errors import SourceError
from batch_platform.snapshots.conversion import extra_columns, listed
from batch_platform.snapshots.declared_sources import DatabaseSource
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.sql_text import parameters_of
from batch_platform.snapshots.sql_types import SqlColumn, column_of
from batch_platform.snapshots.watermark import bounds, needed, wall_clock

if TYPE_CHECKING:
    from batch_platform.partitions import Window

_SQLITE_TIME = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]*"
_SQLITE_DATE = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"


@dataclass(frozen=True)
class Reading:
    """What is asked.

    Attributes:
        statement: gives the partition's rows.
        columns: the columns that it gives, as far as they are known beforehand; else None.
        primary_key: of the table; empty where there is none.
        extra: columns of the table that are not declared.
        refused: what no row of the table may be, each with how it is told.
    """

    statement: sa.Executable
    columns: Mapping[str, SqlColumn] | None = None
    primary_key: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    refused: tuple[tuple[sa.Select[Any], str], ...] = ()


def of_query(declared: DatabaseSource, dialect: str, partition_key: str | None, window: Window | None) -> Reading:
    """The user's query with those parameters that it asks for.

    Raises:
        ConfigurationError: it asks for any, and the snapshot has no partitions.
    """
    query = (declared.query or "").strip().rstrip(";")
    asked = parameters_of(query)
    statement = sa.text(query)
    if asked:
        known = needed(window, declared.origin, f"the query asks for :{asked[0]}")
        start: Any = known.start.astimezone(UTC)
        end: Any = known.end.astimezone(UTC)
        if declared.zone is not None:
            start, end = wall_clock(known, declared.zone)
        kind: Any = sa.DateTime(timezone=declared.zone is None)
        if dialect == "sqlite":
            start, end, kind = _sqlite_text(start), _sqlite_text(end), sa.String()
        given = {"start": (start, kind), "end": (end, kind), "partition_key": (partition_key, sa.String())}
        statement = statement.bindparams(*(sa.bindparam(name, *given[name]) for name in asked))
    return Reading(statement)


def of_table(declared: DatabaseSource, spec: SourceSpec, opened: sa.Connection, window: Window | None) -> Reading:
    """The rows of a table whose watermark lies in the window; all of them where none is declared.

    Raises:
        SourceError: there is no such table, or it lacks a column.
        ConfigurationError: the watermark's type or time zone, or the partitions, do not fit.
    """
    schema, _, name = (declared.table or "").rpartition(".")
    looked = sa.inspect(opened)
    try:
        # Columns and key only: all that SQLAlchemy can know of a table takes ten statements.
        found = looked.get_columns(name, schema=schema or None)
        primary_key = looked.get_pk_constraint(name, schema=schema or None)["constrained_columns"]
    except NoSuchTableError:
        raise SourceError(
            "there is no such table or view", where=declared.origin, fix="check its name, and what the user may see"
        ) from None
    made = (sa.Column(column["name"], column["type"], nullable=column["nullable"]) for column in found)
    table = sa.Table(name, sa.MetaData(), *made, schema=schema or None)
    dialect = opened.dialect.name
    columns = {column.name: column_of(column.type, dialect) for column in table.columns}
    extra = extra_columns(list(columns), spec, declared.origin, holder="table")
    wanted = [column for column in table.columns if column.name not in extra]
    chosen = sa.select(*(sa.cast(c, sa.Text).label(c.name) if columns[c.name].as_text else c for c in wanted))
    refused: tuple[tuple[sa.Select[Any], str], ...] = ()
    if declared.watermark is not None:
        if declared.watermark not in columns:
            raise SourceError(
                f"missing column {declared.watermark!r}; the table has {listed(list(columns))}",
                where=declared.origin,
                fix="correct `watermark`",
            )
        asked = needed(window, declared.origin, "a watermark needs a window")
        mark = table.columns[declared.watermark]
        start, end = bounds(columns[mark.name].kind, asked, declared.zone, declared.origin)
        chosen = chosen.where(within(mark, start, end, dialect))
        refused = _refused(mark, declared, dialect)
    return Reading(
        chosen,
        {column.name: columns[column.name] for column in wanted},
        tuple(primary_key),
        tuple(extra),
        refused,
    )


def within(mark: sa.Column[Any], start: date, end: date, dialect: str) -> sa.ColumnElement[bool]:
    """The condition that a watermark lies in `[start, end)`."""
    if dialect != "sqlite":
        return sa.and_(mark >= start, mark < end)
    text = sa.type_coerce(mark, sa.String)
    return sa.and_(text >= _sqlite_text(start), text < _sqlite_text(end))


def _refused(mark: sa.Column[Any], declared: DatabaseSource, dialect: str) -> tuple[tuple[sa.Select[Any], str], ...]:
    some = sa.select(sa.literal(1)).select_from(mark.table).limit(1)
    found = []
    if declared.null_watermarks == "refused" and mark.nullable:
        found.append((some.where(mark.is_(None)), f"some rows have no watermark: {mark.name!r} is null"))
    if dialect == "sqlite":
        text = sa.type_coerce(mark, sa.String)
        date_only = pa.types.is_date(column_of(mark.type, dialect).kind)
        like = text.op("GLOB")(_SQLITE_DATE if date_only else _SQLITE_TIME)
        zoned = text.op("GLOB")("*[+Zz]*")
        what = "2026-01-05" if date_only else "2026-01-05 06:00:00"
        wrong = sa.and_(mark.is_not(None), sa.or_(sa.not_(like), zoned))
        found.append((some.where(wrong), f"some watermarks are not written like {what}, so they do not compare"))
    return tuple(found)


def _sqlite_text(bound: date) -> str:
    """A bound as SQLite compares it: it has no times, only texts, which may or may not end in a fraction."""
    if not isinstance(bound, datetime):
        return bound.isoformat()
    return bound.replace(tzinfo=None).isoformat(" ")
