"""One file of JSON lines as a table: an object in each line, its fields the columns, values parsed strictly.

Lines are read by Python's own JSON scanner, with numbers kept as they are written: a whole number that a double does
not hold may be rounded by the readers of Arrow, Polars and DuckDB before anyone could refuse it. Fractions become the
nearest double, as everywhere. Checks that all formats share are in `conversion.py`, the bytes and their encoding in
`utf8_stream.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from json.decoder import JSONDecodeError, JSONDecoder
from typing import Any, BinaryIO

import pyarrow as pa

from batch_platform.errors import SourceError
from batch_platform.snapshots.conversion import converted, parsed, refuse_unusable_names, shortened
from batch_platform.snapshots.json_values import (
    Inference,
    Number,
    as_array,
    as_json,
    as_shown,
    is_text,
    kind_of,
    taken_by,
)
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.utf8_stream import Utf8Stream

_LONGEST_LINE = 8 << 20
_BLOCK_BYTES, _FIRST_BYTES = 8 << 20, 1 << 16
_BATCH_ROWS = 1 << 14
_FIX = "each line must hold one JSON object"
_FLATTEN = "write fewer objects and lists inside one another"


@dataclass(frozen=True)
class JsonLines:
    """What a file of JSON lines holds.

    Attributes:
        table: the declared columns, or those that any line has; a field that a line lacks is null there.
        extra_columns: fields that are not declared.
        absent_columns: declared columns that no line names.
    """

    table: pa.Table
    extra_columns: list[str]
    absent_columns: list[str]


def read_jsonl(file: BinaryIO, shown: str, spec: SourceSpec, limit: int | None = None) -> JsonLines:
    """The table of a file of JSON lines; `shown` is the file's path in messages, `limit` the most rows to read.

    A path that ends with `.gz` is unpacked. Blank lines are no rows. Without declared columns the types follow from
    the values: whole numbers, numbers, booleans and text; text is never taken for a date.

    Raises:
        SourceError: the file is damaged, a line is no object or names a field twice, or a value is not what its
            column declares.
    """
    kinds = spec.column_types
    names: dict[str, None] = {}
    batches: list[Any] = []
    inference = Inference(shown)
    rows = 0
    stream = Utf8Stream(file, shown, packed=shown.lower().endswith(".gz"))
    objects = islice(_objects(stream, shown, _BLOCK_BYTES if limit is None else _FIRST_BYTES), limit)
    while batch := list(islice(objects, _BATCH_ROWS)):
        names.update(dict.fromkeys(chain.from_iterable(batch)))
        if kinds is None:
            inference.add(batch, list(names))
        else:
            columns = {name: _declared(batch, name, kind, spec, shown, rows) for name, kind in kinds.items()}
            batches.append(pa.record_batch(columns))
        rows += len(batch)
    _refuse_strange_names(list(names), shown)
    if kinds is None:
        return JsonLines(inference.table(), [], [])
    return JsonLines(
        pa.Table.from_batches(batches, pa.schema(list(kinds.items()))),
        [name for name in names if name not in kinds],
        [name for name in kinds if name not in names],
    )


def _objects(stream: Utf8Stream, shown: str, block_bytes: int) -> Iterator[dict[str, Any]]:
    """The objects of a file, line by line."""
    row = 0
    for line in _lines(stream, shown, block_bytes):
        text = line.strip(" \t\r")
        if not text:
            continue
        row += 1
        place = f"{shown}, row {row}"
        try:
            value, end = _SCAN(text, 0)
        except _RepeatedError as error:
            raise SourceError(f"the field {shortened(error.name)!r} stands twice", where=place, fix=_FIX) from None
        except JSONDecodeError as error:
            raise SourceError(f"no JSON at character {error.pos + 1}: {error.msg}", where=place, fix=_FIX) from None
        except StopIteration as error:
            raise SourceError(f"no JSON at character {error.value + 1}", where=place, fix=_FIX) from None
        except RecursionError:
            raise SourceError("nested too deeply", where=place, fix=_FLATTEN) from None
        if type(value) is not dict:
            raise SourceError(f"{kind_of(value)}, not an object", where=place, fix=_FIX)
        if end != len(text):
            raise SourceError(f"more than one value, from character {end + 1}", where=place, fix=_FIX)
        yield value


def _lines(stream: Utf8Stream, shown: str, block_bytes: int) -> Iterator[str]:
    """The lines of a file, each in memory once; the byte order mark that a file may begin with is none of them."""
    rest, number = b"", 0
    mark = b"\xef\xbb\xbf"
    while block := stream.read(block_bytes):
        *lines, rest = (rest + block).removeprefix(mark).split(b"\n")
        mark = b""
        for line in lines:
            number += 1
            yield line.decode()
        if len(rest) > _LONGEST_LINE:
            raise SourceError(
                f"line {number + 1} is longer than {_LONGEST_LINE >> 20} MiB", where=shown, fix="one object a line"
            )
    if rest:
        yield rest.decode()


class _RepeatedError(Exception):
    def __init__(self, name: str) -> None:
        self.name = name


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _RepeatedError(next(name for name in names if names.count(name) > 1))
    return found


_DECODER = JSONDecoder(object_pairs_hook=_once, parse_int=Number, parse_float=Number, parse_constant=Number)
_SCAN: Callable[[str, int], tuple[Any, int]] = _DECODER.scan_once  # type: ignore[attr-defined]


def _declared(
    batch: list[dict[str, Any]], name: str, kind: pa.DataType, spec: SourceSpec, shown: str, rows: int
) -> Any:
    """The values of one field in its declared type."""
    values = [item.get(name) for item in batch]
    strange = set(map(type, values)) - taken_by(kind)
    if pa.types.is_string(kind) and strange & {dict, list}:
        values = _texts(values, shown, name, rows)
        strange -= {dict, list}
    if strange:
        index = next(index for index, value in enumerate(values) if type(value) in strange)
        _declared(batch[:index], name, kind, spec, shown, rows)  # an earlier value of the right kind may be wrong, too
        raise SourceError(
            f"{as_shown(values[index])} is not {(spec.columns or {})[name]}",
            where=f"{shown}, row {rows + index + 1}, column {name!r}",
            fix="correct the input or the declared type",
        )
    array = as_array(values, bool if pa.types.is_boolean(kind) else str, shown, name, rows)
    return converted(pa.record_batch({name: array}), {name: kind}, spec, parsed, shown, rows).column(0)


def _texts(values: list[Any], shown: str, column: str, rows_before: int) -> list[Any]:
    """The values with objects and lists among them as JSON text."""
    found: list[Any] = []
    for value in values:
        try:
            found.append(as_json(value) if type(value) in (dict, list) else value)
        except RecursionError:
            where = f"{shown}, row {rows_before + len(found) + 1}, column {column!r}"
            raise SourceError("nested too deeply", where=where, fix=_FLATTEN) from None
    return found


def _refuse_strange_names(names: list[str], shown: str) -> None:
    broken = next((name for name in names if not is_text(name)), None)
    if broken is not None:
        raise SourceError(f"a field is called {shortened(ascii(broken))}", where=shown, fix="rename it")
    refuse_unusable_names(names, shown)
