"""The `files` source: the CSV or Parquet files of one partition, found by a glob and cast strictly.

From top to bottom: the pattern and its files, CSV, Parquet, strict conversion. Every value either becomes
exactly what its column declares or stops the read with file, row and column; nothing is coerced or dropped.
Messages show at most 40 characters of a value, and no parser's error is passed on, since it may quote rows.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import zlib
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import escape, glob
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from batch_platform.errors import ConfigurationError, PartitionKeyError, SourceError
from batch_platform.snapshots.sources import SOURCE_FILE, SOURCE_ROW, Extract, SourceFile, SourceSpec

if TYPE_CHECKING:
    from batch_platform.partitions import Window

_BLOCK_BYTES = 8 << 20
_BATCH_ROWS = 1 << 16
_SHOWN_CHARACTERS = 40

Convert = Callable[[Any, pa.DataType], Any]
"""Casts an Arrow array to a type, or raises `pa.ArrowInvalid` if any value would not survive."""


@dataclass(frozen=True)
class FilesSource:
    """Reads the files that match `spec.files`, sorted by path; relative patterns start at `base`."""

    spec: SourceSpec
    base: Path

    def read(self, partition_key: str | None, window: Window | None) -> Extract:
        """All rows of all matching files, in the order of paths and rows; see `Source.read`."""
        parts = [self._read_file(path) for path in self._paths(partition_key, window)]
        if self.spec.columns is None:
            parts = _agreed(parts)
        return Extract(
            pa.concat_tables([_located(part) for part in parts]),
            tuple(part.file for part in parts),
            tuple(sorted({name for part in parts for name in part.extra_columns})),
        )

    def _paths(self, partition_key: str | None, window: Window | None) -> list[Path]:
        pattern = expand(self.spec.files or "", partition_key, window, quote=escape)
        shown = expand(self.spec.files or "", partition_key, window, quote=str)
        # Unlike Path.glob, this takes absolute patterns and leaves hidden files (of unfinished writes) alone.
        matches = glob(pattern, root_dir=self.base, recursive=True)  # noqa: PTH207, RUF100
        found = {self.base / match for match in matches}
        paths = sorted((path for path in found if not path.is_dir()), key=self._shown)
        for path in paths:
            if not path.is_file():
                raise SourceError(
                    "is no regular file, or a link to nothing", where=self._shown(path), fix="remove it"
                )
        if not paths:
            folder = next(parent for parent in (self.base / shown).parents if parent.is_dir())
            raise SourceError(f"no file matches {shown!r}", fix=f"the nearest folder that exists is {folder}")
        return paths

    def _shown(self, path: Path) -> str:
        inside = path.is_relative_to(self.base)
        text = (path.relative_to(self.base) if inside else path).as_posix()
        return text.encode("utf-8", "backslashreplace").decode()

    def _read_file(self, path: Path) -> _Part:
        read = _read_csv if self.spec.file_format == "csv" else _read_parquet
        with unchanging(path, self._shown(path)) as (file, source_file):
            table, extra_columns = read(file, source_file.path, self.spec)
        return _Part(table, source_file, extra_columns)


@dataclass(frozen=True)
class _Part:
    table: pa.Table
    file: SourceFile
    extra_columns: list[str]


def expand(
    pattern: str, partition_key: str | None, window: Window | None, *, quote: Callable[[str], str]
) -> str:
    """The pattern with its placeholders replaced; `quote` makes each replacement literal.

    Raises:
        ConfigurationError: the pattern has placeholders and the snapshot has no partitions.
        PartitionKeyError: the key would change the path's structure.
    """
    expanded = []
    for literal, name, style, _ in Formatter().parse(pattern):
        expanded.append(literal)
        if name is None:
            continue
        if partition_key is None or window is None:
            raise ConfigurationError(
                f"files: {pattern!r} has the placeholder {{{name}}}, but the snapshot has no partitions",
                fix="declare `partitions`, or take the placeholder out",
            )
        if name == "partition_key":
            unprintable = not partition_key.isprintable()
            if (
                unprintable
                or not partition_key.strip(". ")
                or any(p in partition_key for p in ("/", "\\", ".."))
            ):
                raise PartitionKeyError(
                    f"{_short(partition_key)!r} cannot stand in a path",
                    fix="use a key without '/', '\\' and '..'",
                )
            expanded.append(quote(partition_key))
        else:
            expanded.append(quote((window.start if name == "start" else window.end).strftime(style or "")))
    return "".join(expanded)


@contextmanager
def unchanging(path: Path, shown: str) -> Iterator[tuple[BinaryIO, SourceFile]]:
    """Open a file for reading together with its size and digest.

    Raises:
        SourceError: it cannot be opened, or it was replaced or written to before the block ended.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise SourceError(
            f"cannot be opened: {error.strerror}", where=shown, fix="check that it exists and its permissions"
        ) from error
    with file:
        before = os.fstat(file.fileno())

        def check() -> None:
            try:
                after = path.stat()
            except OSError:
                after = None
            if after is None or _identity(after) != _identity(before):
                raise SourceError(
                    "changed while it was read",
                    where=shown,
                    fix="write inputs under another name, rename them when complete, then run again",
                )

        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        try:
            yield file, SourceFile(shown, before.st_size, digest)
        except SourceError:
            check()
            raise
        check()


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _located(part: _Part) -> pa.Table:
    rows = part.table.num_rows
    # Slices of one short array: the path of a million rows takes the memory of one batch.
    name = pa.array([part.file.path] * min(rows, _BATCH_ROWS), pa.string())
    names = [name.slice(0, min(_BATCH_ROWS, rows - start)) for start in range(0, rows, _BATCH_ROWS)]
    numbered = part.table.append_column(
        pa.field(SOURCE_FILE, pa.string()), pa.chunked_array(names, type=pa.string())
    )
    return numbered.append_column(
        pa.field(SOURCE_ROW, pa.int64()), pa.array(np.arange(1, rows + 1), pa.int64())
    )


def _agreed(parts: list[_Part]) -> list[_Part]:
    """The parts with one schema; a column without any value agrees with every type, and alone is text."""
    settled: dict[str, tuple[pa.DataType, str]] = {}
    names = parts[0].table.column_names
    for part in parts:
        if set(part.table.column_names) != set(names):
            odd = sorted(set(part.table.column_names) ^ set(names))[0]
            raise SourceError(
                f"only one of this file and {parts[0].file.path} has the column {_short(odd)!r}",
                where=part.file.path,
                fix="declare `columns`",
            )
        for field in part.table.schema:
            kind, witness = settled.setdefault(field.name, (field.type, part.file.path))
            if pa.types.is_null(kind):
                settled[field.name] = (field.type, part.file.path)
            elif not pa.types.is_null(field.type) and field.type != kind:
                raise SourceError(
                    f"column {field.name!r} is {field.type} here and {kind} in {witness}",
                    where=part.file.path,
                    fix="declare `columns`",
                )
    kinds = {name: pa.string() if pa.types.is_null(settled[name][0]) else settled[name][0] for name in names}
    schema = pa.schema(list(kinds.items()))
    return [_Part(part.table.select(names).cast(schema), part.file, part.extra_columns) for part in parts]


# --- CSV ---


class _Utf8Stream(io.RawIOBase):
    """The bytes of a text file (unpacked if `packed`), checked to be UTF-8 as they pass, then `tail`."""

    def __init__(self, file: BinaryIO, shown: str, *, packed: bool, tail: bytes = b"\n") -> None:
        file.seek(0)
        self._bytes: Any = gzip.GzipFile(fileobj=file) if packed else file
        self._shown, self._tail = shown, tail
        self._decoder = getincrementaldecoder("utf-8")()
        self._passed = 0
        self.quotes = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        # Filled to its size, since the CSV reader takes each answer for one block and wants whole rows in it.
        block = b""
        while size < 0 or len(block) < size:
            chunk = self._checked(size - len(block) if size >= 0 else -1)
            if not chunk:
                room = len(self._tail) if size < 0 else size - len(block)
                chunk, self._tail = self._tail[:room], self._tail[room:]
                return block + chunk
            block += chunk
        return block

    def _checked(self, size: int) -> bytes:
        try:
            chunk: bytes = self._bytes.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise SourceError(
                "truncated or damaged gzip", where=self._shown, fix="deliver the file again"
            ) from None
        pending = len(self._decoder.getstate()[0])
        try:
            self._decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            offset = self._passed - pending + error.start
            raise SourceError(
                f"not UTF-8 at byte {offset} (counted from 0)", where=self._shown, fix="convert it to UTF-8"
            ) from None
        self._passed += len(chunk)
        self.quotes += chunk.count(b'"')
        return chunk

    def readinto(self, buffer: Any) -> int:
        chunk = self.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _read_csv(file: BinaryIO, shown: str, spec: SourceSpec) -> tuple[pa.Table, list[str]]:
    packed = shown.lower().endswith(".gz")
    delimiter = spec.delimiter or ","
    header = _csv_header(_Utf8Stream(file, shown, packed=packed), shown, delimiter)
    kinds = spec.column_types
    if kinds is None:
        _refuse_headless(header, shown)
    extra = _extra_columns(header, spec, shown)
    ragged: list[Any] = []

    def note(row: Any) -> str:
        ragged.append(row)
        return "error"

    # One thread, so that a row that breaks the format is reported with its number.
    read_options = arrow_csv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False)
    parse_options = arrow_csv.ParseOptions(
        delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note
    )

    def convert_options(**more: Any) -> Any:
        null_values = [""] if spec.null_values is None else list(spec.null_values)
        return arrow_csv.ConvertOptions(null_values=null_values, strings_can_be_null=True, **more)

    def text_of(stream: _Utf8Stream, columns: list[str]) -> Any:
        as_text = convert_options(include_columns=columns, column_types=dict.fromkeys(columns, pa.string()))
        return arrow_csv.open_csv(stream, read_options, parse_options, as_text)

    batches: list[Any] = []
    rows = 0
    stream = _Utf8Stream(file, shown, packed=packed)
    try:
        for batch in text_of(stream, header if kinds is None else list(kinds)):
            if kinds is not None:
                batches.append(_converted(batch, kinds, spec, _parsed, shown, rows))
            rows += batch.num_rows
        if stream.quotes % 2:
            # The parser takes an open quote's rest of the file for a value; a row added at the end shows it.
            tail = b"\nx" + delimiter.encode() * (len(header) - 1) + b"\n"
            probe = text_of(_Utf8Stream(file, shown, packed=packed, tail=tail), header[:1])
            if sum(batch.num_rows for batch in probe) == rows:
                raise SourceError("a quote is never closed", where=f"{shown}, row {rows}", fix="close it")
    except pa.ArrowInvalid:
        if ragged:
            raise SourceError(
                f"{ragged[0].actual_columns} fields, but the header has {ragged[0].expected_columns}",
                where=f"{shown}, row {ragged[0].number - 1}",
                fix="check the delimiter and the quoting of that row",
            ) from None
        raise SourceError(
            f"a quote is never closed, or a row is longer than {_BLOCK_BYTES >> 20} MiB",
            where=f"{shown}, after row {rows}",
            fix="check the quoting of that row",
        ) from None
    if kinds is not None:
        return pa.Table.from_batches(batches, pa.schema(list(kinds.items()))), extra
    stream = _Utf8Stream(file, shown, packed=packed)
    inferred = arrow_csv.read_csv(stream, read_options, parse_options, convert_options())
    return inferred.cast(_plain_schema(inferred.schema, shown)), extra


def _csv_header(stream: _Utf8Stream, shown: str, delimiter: str) -> list[str]:
    text = io.TextIOWrapper(io.BufferedReader(stream), "utf-8-sig", newline="")
    try:
        return next(row for row in csv.reader(text, delimiter=delimiter) if row)
    except StopIteration:
        raise SourceError(
            "empty file", where=shown, fix="a file without rows still needs its header"
        ) from None
    except csv.Error:
        raise SourceError("the header is not readable as CSV", where=shown, fix="check its quoting") from None
    finally:
        text.detach().detach()


def _refuse_headless(header: list[str], shown: str) -> None:
    if not all(name.strip() for name in header):
        number = [bool(name.strip()) for name in header].index(False) + 1
        raise SourceError(
            f"field {number} of the header is blank", where=shown, fix="name it, or declare `columns`"
        )
    if all(_is_number(name) for name in header):
        raise SourceError(
            f"the header looks like data: {_listed(header)}", where=shown, fix="add a header line"
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parsed(text: Any, kind: pa.DataType) -> Any:
    if pa.types.is_integer(kind) and pc.any(pc.match_substring(text, "x", ignore_case=True)).as_py():
        raise pa.ArrowInvalid("hexadecimal")
    values = pc.cast(text, kind)
    if pa.types.is_floating(kind):
        overflown = pc.and_(pc.is_inf(values), pc.match_substring_regex(text, "[0-9]"))
        if pc.any(overflown).as_py():
            raise pa.ArrowInvalid("beyond the range of a double")
    return values


# --- Parquet ---


def _read_parquet(file: BinaryIO, shown: str, spec: SourceSpec) -> tuple[pa.Table, list[str]]:
    try:
        parquet = pq.ParquetFile(file, coerce_int96_timestamp_unit="us")
        schema = parquet.schema_arrow
        extra = _extra_columns(schema.names, spec, shown)
        kinds = spec.column_types
        if kinds is None:
            kinds = {field.name: field.type for field in _plain_schema(schema, shown)}
        for name, kind in kinds.items():
            _refuse_other_family(name, schema.field(name).type, kind, spec, shown)
        batches: list[Any] = []
        rows = 0
        for batch in parquet.iter_batches(_BATCH_ROWS, columns=list(kinds), use_threads=False):
            batches.append(_converted(batch, kinds, spec, _lossless, shown, rows))
            rows += batch.num_rows
    except (pa.ArrowException, OSError):
        raise SourceError(
            "truncated, damaged or no Parquet file",
            where=shown,
            # Arrow cannot read these back, so they look like damage.
            fix="deliver the file again; lists of fixed size must hold no nulls",
        ) from None
    return pa.Table.from_batches(batches, pa.schema(list(kinds.items()))), extra


def _plain_schema(schema: pa.Schema, shown: str) -> pa.Schema:
    try:
        return pa.schema([(field.name, _plain(field.type)) for field in schema])
    except TypeError:
        name, kind = next((f.name, f.type) for f in schema if not _is_plain(f.type))
        raise SourceError(
            f"column {_short(name)!r} has the unsupported type {_short(str(kind))}",
            where=shown,
            fix="flatten or convert it, or leave it out by declaring `columns`",
        ) from None


def _is_plain(kind: pa.DataType) -> bool:
    try:
        _plain(kind)
    except TypeError:
        return False
    return True


def _plain(kind: Any) -> pa.DataType:
    """The type that stands for `kind` in the lake; TypeError where none does without loss."""
    is_ = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(kind.storage_type)
    if is_.is_dictionary(kind):
        return _plain(kind.value_type)
    if is_.is_list(kind) or is_.is_large_list(kind) or is_.is_fixed_size_list(kind):
        return pa.list_(_plain(kind.value_type))
    if is_.is_timestamp(kind):
        return pa.timestamp("us", tz="UTC" if kind.tz else None)
    if is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind):
        return pa.string()
    if is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_fixed_size_binary(kind):
        return pa.binary()
    if is_.is_unsigned_integer(kind):
        return pa.int64() if kind.bit_width >= 32 else pa.int32()
    if is_.is_decimal(kind) and kind.precision <= 38:
        return pa.decimal128(kind.precision, kind.scale)
    if is_.is_date(kind):
        return pa.date32()
    if is_.is_float16(kind):
        return pa.float32()
    if is_.is_integer(kind) or is_.is_floating(kind) or is_.is_boolean(kind) or is_.is_null(kind):
        return kind
    raise TypeError(str(kind))


def _family(kind: Any) -> str:
    is_ = pa.types
    if is_.is_dictionary(kind):
        return _family(kind.value_type)
    if is_.is_integer(kind) or is_.is_floating(kind) or is_.is_decimal(kind):
        return "number"
    if is_.is_date(kind) or (is_.is_timestamp(kind) and kind.tz is None):
        return "time without zone"
    if is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind):
        return "text"
    if is_.is_binary(kind) or is_.is_large_binary(kind):
        return "text"
    return "time with zone" if is_.is_timestamp(kind) else str(kind)


def _refuse_other_family(
    name: str, found: pa.DataType, kind: pa.DataType, spec: SourceSpec, shown: str
) -> None:
    if spec.columns is not None and not pa.types.is_null(found) and _family(found) != _family(kind):
        raise SourceError(
            f"column {name!r} is {_short(str(found))}; expected {spec.columns[name]}",
            where=shown,
            fix="declare the type that the file has, and convert in a feature",
        )


def _lossless(values: Any, kind: pa.DataType) -> Any:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_string(kind):
        # Parquet readers take text as it is; only the cast from binary checks that it is UTF-8.
        values = pc.cast(values, pa.large_binary() if pa.types.is_large_string(values.type) else pa.binary())
    if pa.types.is_integer(values.type) and pa.types.is_decimal(kind):
        # Arrow judges an integer by its type's widest value unless it is a wide decimal first.
        return pc.cast(pc.cast(values, pa.decimal128(38, min(kind.scale, 18))), kind)
    if pa.types.is_null(values.type):
        return pc.cast(values, kind)
    converted = pc.cast(values, kind)
    # Arrow rounds on these two ways without a word; what comes back the same has lost nothing.
    rounding = any(is_(values.type) != is_(kind) for is_ in (pa.types.is_decimal, pa.types.is_date))
    if rounding and not pc.all(pc.equal(pc.cast(converted, values.type), values)).as_py():
        raise pa.ArrowInvalid("rounded")
    return converted


# --- strict conversion ---


def _extra_columns(names: list[str], spec: SourceSpec, shown: str) -> list[str]:
    """The columns that are not declared, once the names prove usable and the declared ones are all there."""
    folded = [name.casefold() for name in names]
    for name in names:
        if folded.count(name.casefold()) > 1:
            raise SourceError(
                f"the column {_short(name)!r} appears more than once (upper and lower case are the same)",
                where=shown,
                fix="rename one of them",
            )
        if name.casefold() in (SOURCE_FILE, SOURCE_ROW):
            raise SourceError(f"the column name {name!r} is reserved", where=shown, fix="rename it")
    if spec.columns is None:
        return []
    missing = [name for name in spec.columns if name not in names]
    if missing:
        raise SourceError(
            f"missing column {_listed(missing)}; the file has {_listed(names)}",
            where=shown,
            fix="check the header line, the delimiter and `columns`",
        )
    return [name for name in names if name not in spec.columns]


def _converted(
    batch: Any,
    kinds: dict[str, pa.DataType],
    spec: SourceSpec,
    convert: Convert,
    shown: str,
    rows_before: int,
) -> Any:
    arrays = []
    for name, kind in kinds.items():
        values = batch.column(name)
        try:
            arrays.append(convert(values, kind))
        except pa.ArrowException:
            index = _first_failing(values, kind, convert)
            raise SourceError(
                f"{_value(values[index])} is not {spec.columns[name] if spec.columns else kind}",
                where=f"{shown}, row {rows_before + index + 1}, column {name!r}",
                fix="correct the file or the declared type",
            ) from None
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(list(kinds.items())))


def _first_failing(values: Any, kind: pa.DataType, convert: Convert) -> int:
    """Index of the first value that `convert` refuses, by bisection; at least one value must be refused."""
    good, bad = 0, len(values)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            convert(values.slice(good, middle - good), kind)
            good = middle
        except pa.ArrowException:
            bad = middle
    return good


def _value(scalar: Any) -> str:
    try:
        value = scalar.as_py()
    except UnicodeDecodeError:
        value = bytes(scalar.as_buffer()).decode(errors="backslashreplace")
    return repr(_short(value)) if isinstance(value, str) else _short(str(value))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(_short(name)) for name in names[:10])
    return shown + (f" and {len(names) - 10} more" if len(names) > 10 else "")
