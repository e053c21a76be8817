"""Reading an earlier partition of predictions along with the rows of a shard: only the row groups that may hold them.

Belongs here: which row groups those are, and keeping them as long as rows may ask for them. Does not belong here: which
earlier rows count as the same (`reuse.py`).

Every row group bears the least and the greatest value of each column, so the keys in it lie, compared column by column,
between the tuple of the least and that of the greatest values. Where features and predictions are in the order of their
key, as the platform writes them, a shard's chunks ask for one stretch of row groups after the other, and each is read
once for a shard. Where they are not, the same rows are found, but each chunk reads every row group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from batch_platform.errors import UnreadableError, first_line
from batch_platform.lake.store import Lake
from batch_platform.predictions.definition import ROW_DIGEST, Predictions

KEPT_BYTES = 32 << 20
"""Bytes of earlier rows that are kept for the next chunk: one row group of the widest, many of ordinary ones."""

Key = tuple[Any, ...]
"""Values of the first columns of a key; of all of them, unless a file does not say more."""


@dataclass(frozen=True)
class Earlier:
    """A committed partition of predictions that this model version and this code made.

    Args:
        lake: where it lies.
        partition: its key.
        files: its files that hold rows, relative to the folder of the table.
        same_features: whether its features are those of now, so that a row's key says all; else the digest of each
            row's features is compared.
    """

    lake: Lake
    partition: str
    files: tuple[str, ...]
    same_features: bool


@dataclass(frozen=True)
class _Group:
    """A row group and what encloses its keys, compared as tuples."""

    path: str
    number: int
    low: Key
    high: Key

    def may_hold(self, first: Key, last: Key) -> bool:
        try:
            return self.low <= last[: len(self.low)] and first[: len(self.high)] <= self.high
        except TypeError:  # statistics in a type of their own tell nothing
            return True


class EarlierRows:
    """The rows of an earlier partition, for the chunks of one shard in their order.

    Args:
        predictions: the table.
        earlier: the partition.
    """

    def __init__(self, predictions: Predictions, earlier: Earlier) -> None:
        self._predictions, self._earlier = predictions, earlier
        self.match = (*predictions.key, *(() if earlier.same_features else (ROW_DIGEST,)))
        """The columns that must be equal for a row to be the same."""
        self._kept: dict[_Group, pl.DataFrame] = {}
        self.rows_read = 0

    def around(self, rows: pa.Table) -> Iterator[pl.DataFrame]:
        """Earlier rows, a row group at a time, among them all whose key is that of one of these rows.

        They have the columns of `match`, and the scores by the names under which they are declared.

        Raises:
            UnreadableError: a file cannot be read.
        """
        ends = _ends(rows, self._predictions.key)
        if ends is None:
            return
        wanted = [group for group in self._groups() if group.may_hold(*ends)]
        self._kept = {group: self._kept[group] for group in wanted if group in self._kept}
        size = sum(frame.estimated_size() for frame in self._kept.values())
        for group in wanted:
            frame = self._kept.get(group)
            if frame is None:
                frame = self._read(group)
                if size + frame.estimated_size() <= KEPT_BYTES or not self._kept:
                    self._kept[group] = frame
                    size += int(frame.estimated_size())
            yield frame

    def _groups(self) -> Iterator[_Group]:
        for path in self._earlier.files:
            with self._saying(path):
                yield from _footer(_File(self._earlier.lake, self._predictions.table, path), self._predictions.key)[1]

    def _read(self, group: _Group) -> pl.DataFrame:
        file = _File(self._earlier.lake, self._predictions.table, group.path)
        stored = {field.name: self._predictions.column_of(field) for field in self._predictions.scores}
        columns = {name: name for name in self.match} | {name: str(column) for name, column in stored.items()}
        with self._saying(group.path):
            metadata, _ = _footer(file, self._predictions.key)
            with file.open() as source, pq.ParquetFile(source, metadata=metadata) as parquet:
                found = parquet.read_row_group(
                    group.number, columns=list(dict.fromkeys(columns.values())), use_threads=False
                )
            self.rows_read += found.num_rows
            return pl.DataFrame({name: pl.from_arrow(found.column(column)) for name, column in columns.items()})

    def _saying(self, path: str) -> _Saying:
        return _Saying(f"{self._predictions.table}[{self._earlier.partition}], file {path}")


@dataclass(frozen=True)
class _Saying:
    """Turns what a reader raises into the one error that says where."""

    where: str

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError | pa.ArrowException | KeyError):
            raise UnreadableError(
                f"cannot be read: {first_line(error)}", where=self.where, fix="materialize it again"
            ) from error


@dataclass(frozen=True)
class _File:
    """A file of a table; its name stands for its bytes, so that what its footer says stays true."""

    lake: Lake
    table: str
    path: str

    def open(self) -> pa.NativeFile:
        return self.lake.open_input(self.table, self.path)

    @property
    def address(self) -> tuple[str, str]:
        return self.lake.uri(self.table), self.path

    def __hash__(self) -> int:
        return hash(self.address)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _File) and self.address == other.address


@lru_cache(1024)
def _footer(file: _File, key: tuple[str, ...]) -> tuple[pq.FileMetaData, tuple[_Group, ...]]:
    """A file's footer, and its row groups."""
    with file.open() as source, pq.ParquetFile(source) as parquet:
        metadata = parquet.metadata
    places = {metadata.schema.column(index).path: index for index in range(metadata.num_columns)}
    groups = []
    for number in range(metadata.num_row_groups):
        group, low, high = metadata.row_group(number), [], []
        for name in key:
            statistics = group.column(places[name]).statistics
            if statistics is None or not statistics.has_min_max:
                break
            low.append(statistics.min)
            high.append(statistics.max)
        groups.append(_Group(file.path, number, tuple(low), tuple(high)))
    return metadata, tuple(groups)


def _ends(rows: pa.Table, key: Sequence[str]) -> tuple[Key, Key] | None:
    """The least and the greatest key, compared column by column; None if no row has a whole one."""
    keys = pa.table({name: _plain(rows.column(name)) for name in key})
    if any(column.null_count for column in keys.columns):
        keys = keys.drop_null()
    return (_end(keys, pc.min), _end(keys, pc.max)) if keys.num_rows else None


def _end(keys: pa.Table, extreme: Any) -> Key:
    found = []
    for column in keys.column_names:
        value = extreme(keys.column(column))
        found.append(value.as_py())
        keys = keys.filter(pc.equal(keys.column(column), value))
    return tuple(found)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
