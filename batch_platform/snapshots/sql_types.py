"""The types of a database's columns in Arrow, and the values that a driver gives as arrays.

Belongs here: types and values of SQL. Does not belong here: connections (`sql_session.py`), or what a declaration makes
of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import NullType, TypeEngine

from batch_platform.errors import SourceError
from batch_platform.snapshots.conversion import parsed
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.typed_rows import lossless, of_one_family

_AS_TEXT = (sa.Uuid, sa.JSON, sa.Enum)
"""Types that have no counterpart and one text; in a table they are read as that."""


@dataclass(frozen=True)
class SqlColumn:
    """A column of a result.

    Attributes:
        told: its type, as the database calls it.
        kind: its type in Arrow; None where there is none, or the database does not tell all of it.
        parse: whether values arrive as text that stands for a value of `kind` or of a declared type: numbers of any
            length, and columns of which the database knows no type.
        as_text: whether it must be cast to text by the database.
    """

    told: str
    kind: pa.DataType | None
    parse: bool = False
    as_text: bool = False


UNTOLD = SqlColumn("of an unknown type", None, parse=True)
"""A column of a query where the driver tells no types: SQLite's, for one."""


def column_of(sql: TypeEngine[Any], dialect: str) -> SqlColumn:
    """What a column of a SQL type is in Arrow."""
    if isinstance(sql, NullType):
        return UNTOLD
    told = str(sql.compile(dialect=postgresql.dialect()) if dialect == "postgresql" else sql).lower()  # type: ignore[no-untyped-call]
    if isinstance(sql, _AS_TEXT):
        return SqlColumn(told, pa.string(), as_text=True)
    if isinstance(sql, sa.Numeric) and not isinstance(sql, sa.Float):
        known = sql.precision is not None and sql.precision <= 38
        return SqlColumn(told, pa.decimal128(sql.precision, sql.scale or 0) if known else None, parse=True)
    if isinstance(sql, sa.ARRAY):
        item = column_of(sql.item_type, dialect)
        plain = item.kind is not None and not item.parse and not item.as_text and (sql.dimensions or 1) == 1
        return SqlColumn(told, pa.list_(item.kind) if plain else None)
    return SqlColumn(told, _plain(sql, dialect))


def _plain(sql: TypeEngine[Any], dialect: str) -> pa.DataType | None:
    if isinstance(sql, sa.DateTime | sa.TIMESTAMP):
        return pa.timestamp("us", "UTC" if sql.timezone else None)
    if isinstance(sql, sa.Integer):
        if isinstance(sql, sa.SmallInteger):
            return pa.int16()
        # SQLite's integers have 64 bits, whatever they are called.
        return pa.int64() if isinstance(sql, sa.BigInteger) or dialect == "sqlite" else pa.int32()
    if isinstance(sql, sa.Float):
        return pa.float32() if isinstance(sql, sa.REAL) and dialect == "postgresql" else pa.float64()
    simple: list[tuple[type[TypeEngine[Any]], pa.DataType]] = [
        (sa.Boolean, pa.bool_()),
        (sa.Date, pa.date32()),
        (sa.String, pa.string()),
        (sa.LargeBinary, pa.binary()),
    ]
    return next((kind for own, kind in simple if isinstance(sql, own)), None)


def postgres_column(name: str, precision: int | None, scale: int | None) -> SqlColumn:
    """What a column of a query is, by the name of its type in PostgreSQL, such as `int8` or `bigint[]`."""
    import psycopg

    array = name.startswith("_") or name.endswith("[]")
    info = psycopg.adapters.types.get(name.removeprefix("_").removesuffix("[]"))
    own = ischema_names.get(info.regtype) if info is not None else None
    if own is None or issubclass(own, _AS_TEXT):
        return SqlColumn(name, None)
    zoned = "with time zone" in info.regtype if info is not None else False
    made: Any = own(precision, scale) if own is sa.Numeric or own is postgresql.NUMERIC else own()
    if isinstance(made, sa.DateTime):
        made = sa.DateTime(timezone=zoned)
    found = column_of(sa.ARRAY(made) if array else made, "postgresql")
    return SqlColumn(name + ("[]" if array else ""), found.kind, found.parse)


def array_of(values: Sequence[Any], column: SqlColumn) -> pa.Array:
    """The values of one column of a batch, before they are converted.

    Raises:
        pa.ArrowException, TypeError, ValueError, OverflowError: a value is not what the database says.
    """
    if column.parse:
        if any(isinstance(value, Decimal) for value in values):
            return pa.array([None if value is None else format(value, "f") for value in values], pa.string())
        return pa.array(values)
    return pa.array(values, column.kind)


def settled(columns: dict[str, SqlColumn], spec: SourceSpec, shown: str) -> dict[str, pa.DataType]:
    """The types that the columns of an extract have: those declared, else those of the database.

    Raises:
        SourceError: a column is of another kind than it is declared to be, or its type is not known well enough.
    """
    kinds: dict[str, pa.DataType] = {}
    declared = spec.column_types
    for name, column in columns.items():
        if declared is None:
            if column.kind is None:
                raise SourceError(
                    f"column {name!r} is {column.told}, which tells no type for the lake",
                    where=shown,
                    fix="declare `columns`" if column.parse else "leave it out by `columns`, or cast it in a query",
                )
            kinds[name] = column.kind
        elif name in declared:
            free = column.kind is None and column.parse
            if not free and not (column.kind is not None and of_one_family(column.kind, declared[name])):
                raise SourceError(
                    f"column {name!r} is {column.told}; expected {spec.columns[name] if spec.columns else ''}",
                    where=shown,
                    fix="declare the type that the database has, or cast it in a query",
                )
            kinds[name] = declared[name]
    return kinds if declared is None else {name: kinds[name] for name in declared}


def to_declared(values: Any, kind: pa.DataType) -> Any:
    """Values as a declared type, where nothing is lost; see `Convert`. Text stands for other values only where
    `settled` lets it."""
    text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    if text and not pa.types.is_string(kind):
        if pa.types.is_integer(kind):
            values = pc.replace_substring_regex(values, r"\.0+$", "")
        return parsed(values, kind)
    if pa.types.is_boolean(kind) and pa.types.is_integer(values.type):
        if not pc.all(pc.is_in(values.drop_null(), pa.array([0, 1], values.type)), min_count=0).as_py():
            raise pa.ArrowInvalid("neither 0 nor 1")
        return pc.cast(values, kind)
    if not of_one_family(values.type, kind):
        raise pa.ArrowInvalid("of another kind")
    return lossless(values, kind)
