"""The types of a seed's columns: found in their values as dbt finds them, and values turned into them.

dbt asks agate for the first of number, date, timestamp and boolean that every value of a column is, else text; and
dbt-duckdb lets DuckDB read the values as that type. A number is an integer where no value has decimals. Where dbt
would lose something this does not: an integer beyond 32 bits is BIGINT, a moment with an offset keeps it.

Belongs here: types and values. Does not belong here: the file (`seeds.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

import duckdb
import pyarrow as pa

from batch_platform.errors import ConfigurationError, first_line
from batch_platform.lake.store import quote_identifier
from batch_platform.sql.walls import walled

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d{1,2}-\d{1,2} \d{1,2}:\d{1,2}:\d{1,2}", re.ASCII)
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?", re.ASCII)
_OFFSET = re.compile(r"[+-](?!00:?(00)?$)\d\d(:?\d\d)?$", re.ASCII)


def inferred(values: Sequence[str]) -> str:
    """The type of a column in DuckDB's words; one without any value is INTEGER, as in dbt."""
    found = [value.strip() for value in values if value.strip().lower() not in ("", "null")]
    if all(_NUMBER.fullmatch(value) for value in found):
        return _number([Decimal(value) for value in found])
    for name, is_one in _KINDS:
        if all(is_one(value) for value in found):
            return name
    return "VARCHAR"


def cast_columns(
    texts: Mapping[str, Sequence[str | None]], types: Mapping[str, str], path: str, lines: Sequence[int], types_at: str
) -> pa.Table:
    """Columns of text as columns of their types.

    Args:
        texts: column -> values.
        types: column -> type in DuckDB's words.
        path: the file.
        lines: the line of each value, for errors.
        types_at: the place that gives the types.

    Raises:
        ConfigurationError: there is no such type, or a value is not of it.
    """
    table = pa.table({name: pa.array(values, pa.string()) for name, values in texts.items()})
    if not types:
        return table
    connection = walled()
    try:
        connection.register("seed", table)
        chosen = ", ".join(f"TRY_CAST({quote_identifier(n)} AS {t}) AS {quote_identifier(n)}" for n, t in types.items())
        try:
            cast = connection.sql(f"SELECT {chosen} FROM seed").to_arrow_table()
        except duckdb.Error as error:
            raise ConfigurationError(f"a type cannot be read: {first_line(error)}", where=types_at) from None
    finally:
        connection.close()
    for name in types:
        wrong = _first_lost(table.column(name), cast.column(name))
        if wrong is not None:
            value = table.column(name)[wrong].as_py()
            raise ConfigurationError(
                f"column {name}: {value[:60]!r} is not {types[name]}",
                where=f"{path}:{lines[wrong]}",
                fix="correct the value, or the type under column_types",
            )
    return cast


def _first_lost(before: pa.ChunkedArray, after: pa.ChunkedArray) -> int | None:
    if before.null_count == after.null_count:
        return None
    pairs = zip(before.to_pylist(), after.is_null().to_pylist(), strict=True)
    return next(place for place, (value, lost) in enumerate(pairs) if value is not None and lost)


def _number(values: Sequence[Decimal]) -> str:
    if any(value != value.to_integral_value() for value in values):
        return "DOUBLE"
    largest = max((abs(value) for value in values), default=Decimal(0))
    return "INTEGER" if largest < 2**31 else "BIGINT" if largest < 2**63 else "VARCHAR"


def _parses(pattern: re.Pattern[str], form: str) -> Callable[[str], bool]:
    def is_one(value: str) -> bool:
        if not pattern.fullmatch(value):
            return False
        try:
            datetime.strptime(value, form)
        except ValueError:
            return False
        return True

    return is_one


def _is_iso(value: str) -> bool:
    if not _ISO.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
        date.fromisoformat(value[:10])
    except ValueError:
        return False
    return True


_KINDS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("DATE", _parses(_DATE, "%Y-%m-%d")),
    ("TIMESTAMP", _parses(_MOMENT, "%Y-%m-%d %H:%M:%S")),
    ("TIMESTAMP", lambda value: _is_iso(value) and not _OFFSET.search(value)),
    ("TIMESTAMP WITH TIME ZONE", _is_iso),
    ("BOOLEAN", lambda value: value.lower() in ("true", "false")),
)
