"""A sample file: its columns with the types that its values have, what is never null, what identifies a row.

Belongs here: what one file tells. Does not belong here: what is made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from glob import escape
from itertools import combinations
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from batch_platform.errors import ConfigurationError, SourceError
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.snapshots.column_types import TYPES, type_name
from batch_platform.snapshots.conversion import parsed
from batch_platform.snapshots.file_pattern import format_of
from batch_platform.snapshots.file_shape import FileShape
from batch_platform.snapshots.files import FilesSource
from batch_platform.snapshots.jsonl_file import JsonLines, read_jsonl
from batch_platform.snapshots.source_spec import SourceSpec

_GUESSES = ("BIGINT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMPTZ")
_UNTOLD = "VARCHAR"  # text, and columns without any value
_JSON_ROWS = 5000  # each field is read several times


@dataclass(frozen=True)
class Sample:
    """What a file tells.

    Attributes:
        columns: names in order with the types to declare.
        complete: the columns without nulls.
        keys: columns that identify its rows: one that does alone, else two that do together, else none.
        unusable: columns of a type that cannot be declared, such as lists, with that type.
    """

    columns: dict[str, str]
    complete: frozenset[str]
    keys: tuple[str, ...]
    unusable: dict[str, str]


def read_sample(path: Path) -> Sample:
    """Read one file as a snapshot would.

    Raises:
        SourceError: it is missing or unreadable.
        ConfigurationError: its extension tells no format.
    """
    kind = format_of(path.name)
    if kind is None:
        raise ConfigurationError("the extension tells no format", where=str(path), fix="use .csv, .parquet or .jsonl")
    if not path.is_file():
        raise SourceError("there is no such file", where=str(path), fix="name a file that a partition would read")
    rows, unusable = _read(path, kind)
    columns = {name: kind for name, (kind, _) in rows.items()}
    arrays = {name: values for name, (_, values) in rows.items()}
    filled = next(iter(arrays.values()), None)
    known = frozenset(name for name, values in arrays.items() if len(values) and not values.null_count)
    keys = _keys(arrays, [name for name in columns if name in known and columns[name] != "DOUBLE"])
    return Sample(columns, known, keys if filled is not None else (), unusable)


def _read(path: Path, kind: str) -> tuple[dict[str, tuple[str, pa.ChunkedArray]], dict[str, str]]:
    """Each column's type and values, and the columns that have none."""
    base = path.parent
    spec = SourceSpec(files=escape(path.name).replace("{", "{{").replace("}", "}}"))
    if kind == "csv":
        names = list(_shape(spec, base).columns) or _refused(spec, base)
        texts = spec.model_copy(update={"columns": dict.fromkeys(names, "VARCHAR")})
        table = FilesSource(texts, base).read(None, None).table
        guessed = {name: _guess(table.column(name)) for name in names}
        return {name: (kind, parsed(table.column(name), TYPES[kind])) for name, kind in guessed.items()}, {}
    if kind == "jsonl":
        return _read_json(path, spec)
    table = FilesSource(spec, base).read(None, None).table
    usable: dict[str, tuple[str, pa.ChunkedArray]] = {}
    unusable: dict[str, str] = {}
    for field in table.schema:
        if field.name in (SOURCE_FILE, SOURCE_ROW):
            continue
        spelled = _spelled(field.type)
        if spelled is None:
            unusable[field.name] = str(field.type)
        else:
            usable[field.name] = spelled, table.column(field.name)
    return usable, unusable


def _read_json(path: Path, spec: SourceSpec) -> tuple[dict[str, tuple[str, pa.ChunkedArray]], dict[str, str]]:
    """Each field is read as one type after the other, since objects have a type only where one is declared."""
    usable: dict[str, tuple[str, pa.ChunkedArray]] = {}
    unusable: dict[str, str] = {}
    with path.open("rb") as file:

        def reading(columns: dict[str, str]) -> JsonLines:
            return read_jsonl(file, path.name, spec.model_copy(update={"columns": columns}), limit=_JSON_ROWS)

        for name in reading({}).extra_columns:
            for kind in ("BIGINT", "DOUBLE", "BOOLEAN", _UNTOLD):
                try:
                    values = reading({name: kind}).table.column(name)
                except SourceError:
                    continue
                usable[name] = _UNTOLD if values.null_count == len(values) else kind, values
                break
            else:
                unusable[name] = "values of several kinds"
    return usable, unusable


def _shape(spec: SourceSpec, base: Path) -> FileShape:
    source = FilesSource(spec, base)
    return source.shape(source.files(None, None)[0])


def _refused(spec: SourceSpec, base: Path) -> list[str]:
    problem = _shape(spec, base).problem
    raise problem or SourceError("has no columns", where=spec.files or "", fix="name a file with a header")


def _guess(text: pa.ChunkedArray) -> str:
    """The first type that takes all values of a column of a CSV file; a number with a leading zero is a label."""
    if text.null_count == len(text):
        return _UNTOLD
    if pc.any(pc.match_substring_regex(text, "^-?0[0-9]")).as_py():
        return _UNTOLD
    for name in _GUESSES:
        try:
            parsed(text, TYPES[name])
        except pa.ArrowException:
            continue
        return name
    return _UNTOLD


def _spelled(kind: pa.DataType) -> str | None:
    if pa.types.is_integer(kind) and kind.bit_width < 32:
        return "INTEGER"
    if pa.types.is_floating(kind) or pa.types.is_null(kind):
        return "DOUBLE" if pa.types.is_floating(kind) else _UNTOLD
    name = type_name(kind)
    return name if name != str(kind) else None


def _keys(arrays: dict[str, pa.ChunkedArray], candidates: Sequence[str]) -> tuple[str, ...]:
    for count in (1, 2):
        for names in combinations(candidates, count):
            table = pa.table({name: arrays[name] for name in names})
            if table.group_by(list(names)).aggregate([]).num_rows == table.num_rows:
                return names
    return ()
