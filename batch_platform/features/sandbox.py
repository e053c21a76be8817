"""The DuckDB connection in which user SQL runs: it shows permitted rows and can reach nothing else.

Belongs here: the walls around user SQL, for one partition and for a range. Does not belong here: what a partition
may read (`inputs.py`), how an input becomes a relation (`relations.py`), and whether a query may run over a range
(`sql/ranges.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import duckdb
import pyarrow as pa

from batch_platform.errors import ConfigurationError, first_line
from batch_platform.features.enclosure import Enclosure
from batch_platform.features.pieces import Piece, pieces_of_one, pieces_of_range
from batch_platform.features.relations import FileRelation
from batch_platform.features.selection import Selection, merged
from batch_platform.features.stored import OpenedInput
from batch_platform.lake.data_file import ROW_GROUP_ROWS
from batch_platform.partitions import Window
from batch_platform.resources import Resources
from batch_platform.sql.binding import seen_by
from batch_platform.sql.model import SqlModel
from batch_platform.sql.names import names_only, parsed_query, without_end
from batch_platform.sql.order_proof import order_proof
from batch_platform.sql.ranges import range_query
from batch_platform.sql.walls import one_select
from batch_platform.timelines import Reading

BATCH_ROWS = 4 * ROW_GROUP_ROWS
"""Rows that come out of a query at a time, at most."""

# What the data or the text of the query are at fault for: no file is.
_OF_THE_QUERY = (duckdb.DataError, duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)

# What fails for some partitions, and need not for others.
_OF_FEWER = (
    duckdb.DataError, duckdb.InvalidInputException, duckdb.IOException, duckdb.OutOfMemoryException, pa.ArrowException
)  # fmt: skip


class Sandbox:
    """Runs one model's query, for one partition or for many at once.

    For one partition, rows of other partitions are not hidden from the query but absent. For a range they stand
    behind names that the query does not know. The network, every setting, and every file but those of the inputs
    are out of reach before the first query runs; and where the files are in reach, only a query runs that names its
    inputs and nothing else. Any other sees what Arrow reads for it.

    Args:
        model: the model.
        readings: what a partition may see of each input.
        opened: the inputs.
        views: models that are not stored and that the model reads, each after those that it reads itself.
        selection: what is selected beside the model's columns, and the order of rows.
        resources: what a query may take.
        spill: the folder for rows that do not fit into memory.
    """

    def __init__(
        self,
        model: SqlModel,
        readings: Sequence[Reading],
        opened: Mapping[str, OpenedInput],
        views: Sequence[SqlModel] = (),
        selection: Selection = Selection(),  # noqa: B008 - frozen
        resources: Resources = Resources(),  # noqa: B008 - frozen
        spill: Path | None = None,
    ) -> None:
        self._model, self._readings, self._opened, self._views = model, readings, opened, views
        self._selection, self._resources, self._spill = selection, resources, spill
        self._places: dict[bool, Enclosure] = {}
        plain = selection.position_optional
        self._schemas = {table: seen_by(item.schema, partitioned=not plain) for table, item in opened.items()}
        self.unproven: tuple[str, ...] = ()

    @property
    def memory_bytes(self) -> int:
        """How much memory a query may take."""
        return self._resources.memory_bytes

    def close(self) -> None:
        """Let go of everything that is held."""
        for place in self._places.values():
            place.connection.close()
        self._places.clear()

    def query(self, key: str, window: Window | None, *, adds_to: str | None = None) -> Iterator[list[Piece]]:
        """Run the model for the partition `key`.

        Args:
            key: the partition.
            window: its window; None for a table without partitions.
            adds_to: the table whose rows the model adds to, where it does.

        Raises:
            ConfigurationError: the SQL is not one SELECT, fails, or reaches for what is not there.
            LakeError: an input cannot be read.
        """
        path = str(self._model.path)
        texts = [member.compile(window, incremental=adds_to is not None) for member in (*self._views, self._model)]
        members = list(zip((*self._views, self._model), texts, strict=True))
        files = all(FileRelation.serves(item) for item in self._opened.values())
        place = self._place(files and all(self._names_only(member, text) for member, text in members))
        try:
            shown: dict[str, tuple[str, str] | None] = {}
            for reading in self._readings:
                table, keys = reading.timeline.table, reading.keys(key)
                place.relations[table].show(keys)
                shown[table] = self._seen(reading, keys)
            for view, text in members[:-1]:
                self._schemas[view.table] = place.create_view(view, self._proofed(text))
            sql = self._proofed(texts[-1])
            bound = place.connection.sql(one_select(place.connection, sql, path))
            if len(set(bound.columns)) == len(bound.columns):
                text = without_end(sql)[0]
                if adds_to is not None:
                    text = merged(text, adds_to, self._model.key)
                    bound = place.connection.sql(text)
                types = dict(zip(bound.columns, map(str, bound.types), strict=True))
                bound = place.connection.sql(self._selection.text(text, types))
            with bound.to_arrow_reader(BATCH_ROWS) as reader:
                yield from pieces_of_one(key, reader, reader.schema, shown)
        except (duckdb.Error, pa.ArrowException) as error:
            blame_files(error, ((self._opened[r.timeline.table], r.keys(key)) for r in self._readings))
            raise ConfigurationError(
                f"the query fails{f' for partition {key}' if key else ''}: {first_line(error)}", where=path
            ) from error

    def query_range(self, windows: Mapping[str, Window]) -> Iterator[list[Piece]] | None:
        """Run the model for many partitions in one pass: as a lateral subquery of their calendar.

        Returns:
            The rows of each partition, in the order of the keys; None if the query cannot run so.

        Raises:
            ConfigurationError: a template or the query fails for one partition or more: fewer of them may succeed, and
                one by itself tells what is wrong.
            LakeError: an input cannot be read.
        """
        keys, path = sorted(windows), str(self._model.path)
        if not keys:
            return None
        files = all(FileRelation.serves(item) for item in self._opened.values())
        alone = {member.table: member.compile(windows[keys[0]]) for member in (*self._views, self._model)}
        if not all(self._names_only(member, alone[member.table]) for member in (*self._views, self._model)):
            return None
        place = self._place(files)
        try:
            for item in place.relations.values():
                item.show(())
            for view in self._views:
                self._schemas[view.table] = place.create_view(view, self._proofed(alone[view.table]))
            query = range_query(self._model, [windows[key] for key in keys], self._views, self._proofed)
            if query is None:
                return None
            # By itself the query says how its columns are called: in a subquery two of one name get other names.
            bound = place.connection.sql(one_select(place.connection, self._proofed(alone[self._model.table]), path))
            types = dict(zip(bound.columns, map(str, bound.types), strict=True))
            shown: list[dict[str, tuple[str, str] | None]] = [{} for _ in keys]
            for reading in self._readings:
                permitted = {number: reading.keys(key) for number, key in enumerate(keys)}
                place.relations[reading.timeline.table].reveal(permitted)
                for number, partitions in permitted.items():
                    shown[number][reading.timeline.table] = self._seen(reading, partitions)
            place.prepare([windows[key] for key in keys], query.macros)
            text = query.text(self._selection.columns(bound.columns, query.relation_of), self._selection.order(types))
            together = place.connection.sql(text)
            if together.columns[1 : 1 + len(bound.columns)] != bound.columns:
                self._give_up(files)
                return None
            reader = together.to_arrow_reader(BATCH_ROWS)
            # The rows are sorted: whatever fails, fails before the first of them comes.
            first = next(reader, None)
        except (duckdb.Error, pa.ArrowException) as error:
            self._give_up(files)
            if isinstance(error, _OF_FEWER):
                raise ConfigurationError(f"the query fails: {first_line(error)}", where=path) from error
            return None
        batches = chain([] if first is None else [first], reader)
        pieces = pieces_of_range(keys, batches, reader.schema, dict(zip(keys, shown, strict=True)))
        return self._revealed(place, reader, pieces)

    def _revealed(
        self, place: Enclosure, reader: pa.RecordBatchReader, pieces: Iterator[list[Piece]]
    ) -> Iterator[list[Piece]]:
        """The pieces; after the last of them the range's rows are out of reach."""
        try:
            yield from pieces
        except (duckdb.Error, pa.ArrowException) as error:
            self.close()
            raise ConfigurationError(f"the query fails: {first_line(error)}", where=str(self._model.path)) from error
        else:
            place.conceal(self._views)
        finally:
            reader.close()

    def _give_up(self, files: bool) -> None:
        """Close a connection in which a range failed: after an internal error it is of no use."""
        self._places.pop(files).connection.close()

    def _place(self, files: bool) -> Enclosure:
        """The connection that may open the inputs' files, or the one that may open none."""
        if files not in self._places:
            plain = self._selection.position_optional
            self._places[files] = Enclosure(self._opened, self._views, files, self._resources, self._spill, plain)
        return self._places[files]

    def _names_only(self, model: SqlModel, sql: str) -> bool:
        """Whether a query names its inputs, its own table among them, and nothing else."""
        query = parsed_query(sql)
        stages = [table.split("/") for table in (*model.inputs, model.table)]
        return query is not None and names_only(query, {(stage, name) for stage, name in stages})

    def _proofed(self, sql: str) -> str:
        """A query whose result follows no order of rows, as far as that can be said."""
        found = order_proof(sql, self._schemas)
        self.unproven = tuple(dict.fromkeys((*self.unproven, *found.unproven)))
        return found.sql

    def _seen(self, reading: Reading, keys: Sequence[str]) -> tuple[str, str] | None:
        """The stretch of an input's partitions that stand before a query: those asked for and those of the files."""
        if reading.timeline.calendar is None:
            return None
        files = self._opened[reading.timeline.table].of(keys)
        known = sorted({*keys, *(file.partition for file in files)})
        return (known[0], known[-1]) if known else None


def blame_files(error: Exception, read: Iterable[tuple[OpenedInput, Sequence[str]]]) -> None:
    """If a query fails for what may be a file's fault, find out whether it is.

    Args:
        error: what it failed with.
        read: the inputs, each with the partitions that the query was shown.

    Raises:
        UnreadableError: it is.
    """
    if isinstance(error, _OF_THE_QUERY):
        return
    for opened, keys in read:
        opened.refuse_unreadable(keys)
