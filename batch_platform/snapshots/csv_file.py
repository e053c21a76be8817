"""One CSV file as a table: the header, the rows and their places, and values parsed strictly.

No parser's error is passed on, since it may quote rows. Checks that all formats share are in
`conversion.py`, the bytes and their encoding in `utf8_stream.py`.
"""

from __future__ import annotations

import csv
import io
from functools import partial
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv as arrow_csv

from batch_platform.errors import SourceError
from batch_platform.snapshots.conversion import converted, extra_columns, listed, parsed, plain_schema
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.utf8_stream import Utf8Stream

_BLOCK_BYTES = 8 << 20


def read_csv(file: BinaryIO, shown: str, spec: SourceSpec) -> tuple[pa.Table, list[str]]:
    """The table of a CSV file and the columns that `spec` does not declare; `shown` is the file's path in messages.

    A path that ends with `.gz` is unpacked. Without declared columns, the types are inferred.

    Raises:
        SourceError: the file is damaged or breaks the format, or a value is not what its column declares.
    """
    text = partial(Utf8Stream, file, shown, packed=shown.lower().endswith(".gz"))
    delimiter = spec.delimiter or ","
    header = _header(text(), shown, delimiter)
    kinds = spec.column_types
    if kinds is None:
        _refuse_headless(header, shown)
    extra = extra_columns(header, spec, shown)
    ragged: list[Any] = []

    def note(row: Any) -> str:
        ragged.append(row)
        return "error"

    # One thread, so that a row that breaks the format is reported with its number.
    read_options = arrow_csv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False)
    parse_options = arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note)

    def convert_options(**more: Any) -> Any:
        null_values = [""] if spec.null_values is None else list(spec.null_values)
        return arrow_csv.ConvertOptions(null_values=null_values, strings_can_be_null=True, **more)

    def fields_of(stream: Utf8Stream, columns: list[str]) -> Any:
        as_text = convert_options(include_columns=columns, column_types=dict.fromkeys(columns, pa.string()))
        return arrow_csv.open_csv(stream, read_options, parse_options, as_text)

    batches: list[Any] = []
    rows = 0
    stream = text()
    try:
        for batch in fields_of(stream, header if kinds is None else list(kinds)):
            if kinds is not None:
                batches.append(converted(batch, kinds, spec, parsed, shown, rows))
            rows += batch.num_rows
        if stream.quotes % 2:
            # The parser takes an open quote's rest of the file for a value; a row added at the end shows it.
            tail = b"\nx" + delimiter.encode() * (len(header) - 1) + b"\n"
            probe = fields_of(text(tail=tail), header[:1])
            if sum(batch.num_rows for batch in probe) == rows:
                raise SourceError("a quote is never closed", where=f"{shown}, row {rows}", fix="close it")
    except pa.ArrowInvalid:
        raise _broken(ragged, shown, rows) from None
    if kinds is not None:
        return pa.Table.from_batches(batches, pa.schema(list(kinds.items()))), extra
    inferred = arrow_csv.read_csv(text(), read_options, parse_options, convert_options())
    return inferred.cast(plain_schema(inferred.schema, shown)), extra


def csv_columns(file: BinaryIO, shown: str, spec: SourceSpec) -> list[str]:
    """The names in the header of a CSV file; nothing but its beginning is read.

    Raises:
        SourceError: there is no header, or it cannot be read or is none.
    """
    header = _header(Utf8Stream(file, shown, packed=shown.lower().endswith(".gz")), shown, spec.delimiter or ",")
    if spec.columns is None:
        _refuse_headless(header, shown)
    return header


def _broken(ragged: list[Any], shown: str, rows: int) -> SourceError:
    """Why the parser gave up after `rows` rows; `ragged` holds the row of another width, if there was one."""
    if ragged:
        return SourceError(
            f"{ragged[0].actual_columns} fields, but the header has {ragged[0].expected_columns}",
            where=f"{shown}, row {ragged[0].number - 1}",
            fix="check the delimiter and the quoting of that row",
        )
    return SourceError(
        f"a quote is never closed, or a row is longer than {_BLOCK_BYTES >> 20} MiB",
        where=f"{shown}, after row {rows}",
        fix="check the quoting of that row",
    )


def _header(stream: Utf8Stream, shown: str, delimiter: str) -> list[str]:
    text = io.TextIOWrapper(io.BufferedReader(stream), "utf-8-sig", newline="")
    try:
        return next(row for row in csv.reader(text, delimiter=delimiter) if row)
    except StopIteration:
        raise SourceError("empty file", where=shown, fix="a file without rows still needs its header") from None
    except csv.Error:
        raise SourceError("the header is not readable as CSV", where=shown, fix="check its quoting") from None
    finally:
        text.detach().detach()


def _refuse_headless(header: list[str], shown: str) -> None:
    if not all(name.strip() for name in header):
        number = [bool(name.strip()) for name in header].index(False) + 1
        raise SourceError(f"field {number} of the header is blank", where=shown, fix="name it, or declare `columns`")
    if all(_is_number(name) for name in header):
        raise SourceError(f"the header looks like data: {listed(header)}", where=shown, fix="add a header line")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
