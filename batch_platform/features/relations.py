"""How an input becomes a relation in DuckDB: by its files, or by rows that Arrow reads.

Belongs here: the relation that shows the permitted partitions of one input. Does not belong here: the connection that
it stands in, and which of the two kinds it gets (`sandbox.py`).
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa

from batch_platform.features.stored import OpenedInput
from batch_platform.lake.store import quote_identifier, relation
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.sql.binding import seen_by
from batch_platform.sql.ranges import END, NUMBER, START
from batch_platform.sql.walls import quote_text

_PARAMETERS = ", ".join(quote_identifier(name) for name in (NUMBER, START, END))
_FILE = "file_index"
"""A virtual column of DuckDB's Parquet reader: the place of a row's file in the list of files, from 0 on."""


class Relation(ABC):
    """One input in a connection: a view for one partition, a table macro for a range.

    The macro joins the rows to pairs of a member of the range and a partition that it may see. Beside it stands the
    view, without rows, so that a query can be bound as it was written.

    Args:
        connection: where it stands; the schema is there.
        opened: the input.
        plain: whether the view shows the table's own columns alone, and not where each row stood in its source.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, opened: OpenedInput, plain: bool) -> None:
        self._connection, self._opened = connection, opened
        self._name = relation(opened.name)
        # Names that no query can guess.
        self._pairs, self._rows = (f"{opened.name} {secrets.token_hex(8)}" for _ in range(2))
        found = connection.from_arrow(opened.schema.empty_table())
        self._types = dict(zip(found.columns, map(str, found.types), strict=True))
        self._partitioned = PARTITION_COLUMN in self._types
        shown = seen_by(opened.schema, partitioned=not plain).names
        self._shown = ", ".join(map(quote_identifier, shown))
        self.show(())

    def show(self, partitions: Sequence[str]) -> None:
        """Make the view show these partitions."""
        rows = self._view(partitions)
        self._connection.execute(f"CREATE OR REPLACE VIEW {self._name} AS SELECT {self._shown} FROM ({rows})")

    def reveal(self, permitted: Mapping[int, Sequence[str]]) -> None:
        """Make the macro show to each member of a range, named by its number, the partitions that it may see."""
        partitions = sorted({key for keys in permitted.values() for key in keys})
        body = self._range(partitions, permitted) if partitions else f"{self._nothing()} WHERE false"
        self._connection.execute(f"CREATE OR REPLACE MACRO {self._name}({_PARAMETERS}) AS TABLE {body}")

    def conceal(self) -> None:
        """Take the macro away: a query for one partition that follows must not find it."""
        self._connection.execute(f"DROP MACRO TABLE IF EXISTS {self._name}")
        self._connection.unregister(self._pairs)

    @abstractmethod
    def _view(self, partitions: Sequence[str]) -> str:
        """The rows of some partitions, as a query."""

    @abstractmethod
    def _range(self, partitions: Sequence[str], permitted: Mapping[int, Sequence[str]]) -> str:
        """The rows of some partitions, as a query for the member whose number is the parameter."""

    def _nothing(self) -> str:
        columns = (f"CAST(NULL AS {kind}) AS {quote_identifier(name)}" for name, kind in self._types.items())
        return f"SELECT {', '.join(columns)}"

    def _pair(self, numbers: Sequence[int], other: pa.Array) -> str:
        """Register the pairs; returns what joins them to the rows `r` and picks those of one member."""
        pairs = pa.table({"number": pa.array(numbers, pa.int32()), "other": other})
        self._connection.register(self._pairs, pairs)
        return f"{quote_identifier(self._pairs)} AS p ON p.other = r.{{}} WHERE p.number = {quote_identifier(NUMBER)}"


class ArrowRelation(Relation):
    """Arrow reads the rows, from any store, as far as the query asks for them."""

    def conceal(self) -> None:
        super().conceal()
        self._connection.unregister(self._rows)

    def _view(self, partitions: Sequence[str]) -> str:
        self._connection.register(self._opened.name, self._opened.dataset(partitions))
        return f"SELECT * FROM {quote_identifier(self._opened.name)}"

    def _range(self, partitions: Sequence[str], permitted: Mapping[int, Sequence[str]]) -> str:
        self._connection.register(self._rows, self._opened.dataset(partitions))
        rows = f"SELECT r.* FROM {quote_identifier(self._rows)} AS r"
        if not self._partitioned:
            return rows
        pairs = [(number, key) for number, keys in permitted.items() for key in keys]
        join = self._pair([number for number, _ in pairs], pa.array([key for _, key in pairs], pa.string()))
        return f"{rows} JOIN {join.format(PARTITION_COLUMN)}"


class FileRelation(Relation):
    """DuckDB reads the Parquet files of a lake on a local disk itself, and of them what the query needs."""

    @staticmethod
    def serves(opened: OpenedInput) -> bool:
        """Whether the input is of this kind: its files lie on a local disk, and no column hides the virtual one."""
        return opened.table.lake.is_local and _FILE not in {name.lower() for name in opened.schema.names}

    def _view(self, partitions: Sequence[str]) -> str:
        return self._rows_of(partitions, "", "") or f"{self._nothing()} WHERE false"

    def _range(self, partitions: Sequence[str], permitted: Mapping[int, Sequence[str]]) -> str:
        files = self._opened.of(partitions)
        if not self._partitioned or not files:
            return self._view(partitions)
        places: dict[str, list[int]] = {}
        for place, file in enumerate(files):
            places.setdefault(file.partition, []).append(place)
        pairs = [(n, place) for n, keys in permitted.items() for key in keys for place in places.get(key, ())]
        join = self._pair([number for number, _ in pairs], pa.array([place for _, place in pairs], pa.uint64()))
        return self._rows_of(partitions, "JOIN", join.format(_FILE))

    def _rows_of(self, partitions: Sequence[str], *clauses: str) -> str:
        files = self._opened.of(partitions)
        if not files:
            return ""
        folder = self._opened.table.uri
        paths = ", ".join(quote_text(f"{folder}/{file.path}") for file in files)
        # A file has the columns that the table had when it was written; the path says nothing that the log does not.
        rows = f"read_parquet([{paths}], union_by_name = true, hive_partitioning = false)"
        there = set(self._connection.sql(f"SELECT * FROM {rows}").columns)
        keys = [file.partition for file in files]
        columns = []
        for name, kind in self._types.items():
            value = f"r.{quote_identifier(name)}" if name in there else "NULL"
            if name == PARTITION_COLUMN:
                listed = f"([{', '.join(map(quote_text, keys))}])[CAST(r.{_FILE} AS BIGINT) + 1]"
                value = listed if len(set(keys)) > 1 else quote_text(keys[0])
            columns.append(f"CAST({value} AS {kind}) AS {quote_identifier(name)}")
        return " ".join([f"SELECT {', '.join(columns)} FROM {rows} AS r", *clauses]).strip()
