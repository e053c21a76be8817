"""Seeds: small CSV files of a project that become tables, with the types that dbt would give their columns.

Belongs here: which seeds there are, and reading one. Does not belong here: how a column's type is found
(`seed_types.py`), or writing the table.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from batch_platform.errors import ConfigurationError, first_line
from batch_platform.sql.properties import Entry
from batch_platform.sql.seed_types import cast_columns, inferred
from batch_platform.sql.settings import Layer, is_enabled
from batch_platform.sql.templates import read_text

_TYPE = re.compile(r"[a-z][a-z0-9_ ]*(\(\s*\d+\s*(,\s*\d+\s*)?\))?( with time zone| without time zone)?", re.IGNORECASE)


@dataclass(frozen=True)
class SeedConfig:
    """How a seed is read.

    Args:
        column_types: column -> DuckDB's type; the types of other columns are found in their values.
        delimiter: what separates values: one character.
        quote_columns: accepted; columns are always quoted.
        enabled: False leaves it out.
        types_at: the place that gives the types, for errors about them.
    """

    column_types: Mapping[str, str] = field(default_factory=dict, hash=False)
    delimiter: str = ","
    quote_columns: bool = True
    enabled: bool = True
    types_at: str = ""


@dataclass(frozen=True)
class Seed:
    """One CSV file.

    Args:
        name: the file's name; the table is `seeds/<name>`.
        path: the file.
        config: how it is read.
        entry: what a property file says about it; None where none does.
    """

    name: str
    path: Path
    config: SeedConfig
    entry: Entry | None = field(default=None, hash=False, compare=False, repr=False)

    @property
    def table(self) -> str:
        """The table's name in the lake."""
        return f"seeds/{self.name}"


def seed_config(settings: Layer) -> SeedConfig:
    """A seed's settings as values.

    Raises:
        ConfigurationError: a setting is not of its kind, at the place that says it.
    """

    def value(name: str, default: Any) -> tuple[Any, str]:
        setting = settings.get(name)
        return (default, "") if setting is None or setting.value is None else (setting.value, setting.where)

    types, types_at = value("column_types", {})
    texts = isinstance(types, Mapping) and all(isinstance(text, str) for pair in types.items() for text in pair)
    if not texts:
        raise ConfigurationError("column_types is not a mapping of texts", where=types_at, fix="{column: 'integer'}")
    wrong = next((text for text in types.values() if not _TYPE.fullmatch(text.strip())), None)
    if wrong is not None:
        raise ConfigurationError(f"{wrong!r} is not a type", where=types_at, fix="write it like 'numeric(10, 2)'")
    delimiter, at = value("delimiter", ",")
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n':
        raise ConfigurationError(f"delimiter is {delimiter!r}", where=at, fix="use one character")
    quoted, at = value("quote_columns", True)
    if not isinstance(quoted, bool):
        raise ConfigurationError(f"quote_columns is {quoted!r}", where=at, fix="use true or false")
    return SeedConfig(MappingProxyType(dict(types)), delimiter, quoted, is_enabled(settings), types_at)


def read_seed(seed: Seed) -> pa.Table:
    """A seed's rows in the order of the file.

    Empty values are NULL, and so is `null` in a column that is not text. Types that nobody gives are found in the
    values, as dbt finds them: INTEGER (BIGINT where a value needs it), DOUBLE, DATE, TIMESTAMP, BOOLEAN, VARCHAR.

    Raises:
        ConfigurationError: the file is not such a table: `file:line: what`; or a value is not of the type that is
            given for its column.
    """
    header, rows, lines = _parsed(seed)
    types = _types(seed, header)
    values = {name: [row[place] for row in rows] for place, name in enumerate(header)}
    found: dict[str, str] = {}
    texts: dict[str, list[str | None]] = {}
    for name, column in values.items():
        given = types.get(name.lower())
        found[name] = given or inferred(column)
        lenient = given is None and found[name] != "VARCHAR"
        texts[name] = [_known(value, lenient) for value in column]
    return cast_columns(texts, found, str(seed.path), lines, seed.config.types_at or str(seed.path))


def seed_schema(seed: Seed) -> pa.Schema:
    """The columns of a seed with their types; the whole file is read, as its values decide.

    Raises:
        ConfigurationError: as `read_seed`.
    """
    schema: pa.Schema = read_seed(seed).schema
    return schema


def _known(value: str, lenient: bool) -> str | None:
    """A value, None where it says nothing: empty, or also blank or `null` where its column's type was found so."""
    return None if value == "" or (lenient and value.strip().lower() in ("", "null")) else value


def _parsed(seed: Seed) -> tuple[list[str], list[list[str]], list[int]]:
    """The header, the rows, and the line on which each row ends."""
    path = seed.path
    text = io.StringIO(read_text(path, newline=""), newline="")
    reader = csv.reader(text, delimiter=seed.config.delimiter, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        header = next(reader, [])
        _check_header(header, path)
        for row in reader:
            if not row and len(header) > 1:
                continue
            rows.append(row or [""])
            lines.append(reader.line_num)
            if len(rows[-1]) != len(header):
                raise ConfigurationError(
                    f"the row has {len(row)} values, the header {len(header)}",
                    where=f"{path}:{reader.line_num}",
                    fix="put values that hold the delimiter into double quotes",
                )
    except csv.Error as error:
        raise ConfigurationError(f"is not CSV: {first_line(error)}", where=f"{path}:{reader.line_num}") from None
    return header, rows, lines


def _check_header(header: Sequence[str], path: Path) -> None:
    if not header:
        raise ConfigurationError("the seed has no header", where=f"{path}:1", fix="name the columns in the first line")
    met: set[str] = set()
    for place, name in enumerate(header, 1):
        if not name.strip():
            raise ConfigurationError(f"column {place} has no name", where=f"{path}:1", fix="name it")
        if name.startswith("_"):
            raise ConfigurationError(
                f"column {name!r} is the platform's", where=f"{path}:1", fix="do not begin a name with _"
            )
        if name.lower() in met:
            raise ConfigurationError(f"column {name!r} stands twice", where=f"{path}:1", fix="rename one")
        met.add(name.lower())


def _types(seed: Seed, header: Sequence[str]) -> dict[str, str]:
    known = {name.lower() for name in header}
    strange = next((name for name in seed.config.column_types if name.lower() not in known), None)
    if strange is not None:
        raise ConfigurationError(
            f"column_types names {strange!r}, which {seed.path.name} does not have",
            where=seed.config.types_at,
            fix=f"it has {', '.join(header)}",
        )
    return {name.lower(): text.strip() for name, text in seed.config.column_types.items()}
