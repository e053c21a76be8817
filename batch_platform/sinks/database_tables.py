"""The SQL side of a partition's columns: types, the target table, the staging table, and whether a table fits.

Belongs here: schemas. Does not belong here: rows (`database_rows.py`) or connections (`database.py`). Every
identifier is quoted by SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.sinks.base import Delivery
from batch_platform.sinks.declared import DatabaseSink, Mode

_BOUNDED = ("mysql", "mariadb", "mssql", "oracle")
"""Dialects whose keys need text of a known length."""

_KEY_LENGTH = 190


def target_table(declared: DatabaseSink, delivery: Delivery) -> sa.Table:
    """The table that the rows go to: partition, key and values; the key of the table is partition and row key."""
    schema, _, name = declared.table.rpartition(".")
    partition = sa.Column(PARTITION_COLUMN, _key_text(), primary_key=True)
    return sa.Table(name, sa.MetaData(), partition, *_columns(delivery), schema=schema or None)


def staging_table(delivery: Delivery, dialect: str) -> sa.Table:
    """A table that only one connection sees and that holds one partition's rows on their way."""
    name = "_batch_platform_delivery"
    if dialect == "postgresql":
        return sa.Table(name, sa.MetaData(), *_columns(delivery), prefixes=["TEMPORARY"], postgresql_on_commit="DROP")
    return sa.Table(name, sa.MetaData(), *_columns(delivery), prefixes=["TEMPORARY"], schema="temp")


def refuse_misfit(connection: sa.Connection, table: sa.Table, declared: DatabaseSink) -> None:
    """Check that a table which is there has the columns, and for an upsert the key, that rows need.

    Raises:
        ConfigurationError: a column is missing or of another kind, a further one must not be null, or no unique key
            consists of partition and row key.
    """
    looked = sa.inspect(connection)
    there = {column["name"]: column for column in looked.get_columns(table.name, schema=table.schema)}
    place = f"sink {declared.name!r}, table {declared.table}"
    for column in table.columns:
        if column.name not in there:
            raise ConfigurationError(f"no column {column.name!r}", where=place, fix="add it, or name another table")
        wanted, found = column.type.dialect_impl(connection.dialect), there[column.name]["type"]
        zoned = connection.dialect.name == "postgresql"  # which would turn moments into its own time of day
        other_zone = zoned and getattr(wanted, "timezone", None) != getattr(found, "timezone", None)
        if _kind(found) not in (_kind(wanted), *_ALSO.get(_kind(wanted), ())) or other_zone:
            zone = " with time zone" if getattr(wanted, "timezone", False) else ""
            raise ConfigurationError(
                f"column {column.name!r} is {found}, and its values are {_kind(wanted)}{zone}",
                where=place,
                fix="change its type, or name another table",
            )
    for name, further in there.items():
        filled = any(further.get(sort) for sort in ("default", "computed", "identity"))
        if name not in table.columns and not (further["nullable"] or filled):
            raise ConfigurationError(
                f"column {name!r} must not be null, and no row has it", where=place, fix="give it a default"
            )
    keys = [looked.get_pk_constraint(table.name, schema=table.schema)["constrained_columns"]]
    keys += [unique["column_names"] for unique in looked.get_unique_constraints(table.name, schema=table.schema)]
    wanted_key = {column.name for column in table.primary_key}
    if declared.mode is Mode.UPSERT and not any(set(key) == wanted_key for key in keys):
        raise ConfigurationError(
            f"no primary or unique key of {', '.join(column.name for column in table.primary_key)}",
            where=place,
            fix="add one, or use mode: replace",
        )


def _columns(delivery: Delivery) -> list[sa.Column[Any]]:
    return [
        sa.Column(
            field.name,
            _key_type(field.type) if field.name in delivery.key else sql_type(field.type),
            primary_key=field.name in delivery.key,
            autoincrement=False,
        )
        for field in delivery.schema
    ]


def sql_type(kind: pa.DataType) -> sa.types.TypeEngine[Any]:
    """The SQL type of a column of the lake.

    SQLite has no exact decimals: they are text there. Lists are JSON, in PostgreSQL JSONB, whose values compare.
    """
    found: sa.types.TypeEngine[Any]
    if pa.types.is_decimal(kind):
        found = sa.Numeric(kind.precision, kind.scale).with_variant(sa.Text(), "sqlite")
    elif pa.types.is_timestamp(kind):
        found = sa.DateTime(timezone=kind.tz is not None).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        found = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
    else:
        found = next((made() for is_kind, made in _SIMPLE if is_kind(kind)), sa.Text())
    return found


def _key_type(kind: pa.DataType) -> sa.types.TypeEngine[Any]:
    return _key_text() if pa.types.is_string(kind) or pa.types.is_large_string(kind) else sql_type(kind)


def _key_text() -> sa.types.TypeEngine[Any]:
    return sa.Text().with_variant(sa.String(_KEY_LENGTH), *_BOUNDED)


_SIMPLE: tuple[tuple[Callable[[pa.DataType], bool], type[sa.types.TypeEngine[Any]]], ...] = (
    (pa.types.is_boolean, sa.Boolean),
    (pa.types.is_int8, sa.SmallInteger),
    (pa.types.is_int16, sa.SmallInteger),
    (pa.types.is_int32, sa.Integer),
    (pa.types.is_integer, sa.BigInteger),
    (pa.types.is_float32, sa.REAL),
    (pa.types.is_floating, sa.Double),
    (pa.types.is_date, sa.Date),
    (pa.types.is_binary, sa.LargeBinary),
)

_ALSO: dict[str, Collection[str]] = {
    "boolean": ("integer",),
    "integer": ("decimal",),
    "float": ("decimal",),
    "json": ("text",),
    "text": ("unknown",),
}
"""Kinds of columns that also hold values of a kind."""

_KINDS = (
    ("json", sa.JSON),
    ("boolean", sa.Boolean),
    ("integer", sa.Integer),
    ("float", sa.Float),
    ("decimal", sa.Numeric),
    ("timestamp", sa.DateTime),
    ("date", sa.Date),
    ("binary", sa.LargeBinary),
    ("text", sa.String),
)


def _kind(found: sa.types.TypeEngine[Any]) -> str:
    """What a column holds, whatever the database calls it."""
    return next((name for name, kind in _KINDS if isinstance(found, kind)), "unknown")
