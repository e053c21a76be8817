"""What a partition of a feature table may read: its inputs, each at one version.

Belongs here: which partitions of the inputs exist, and their records. Does not belong here: their files
(`stored.py`), the connection in which user SQL sees them (`sandbox.py`), and what becomes of the rows that it yields
(`builder.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from batch_platform.errors import ContractError
from batch_platform.features.stored import OpenedInput, open_input
from batch_platform.lake.digest import combine
from batch_platform.lake.provenance import InputRead
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.timelines import Reading


class Inputs:
    """The inputs of some partitions. Each table is opened once, so records and rows are of one version.

    Args:
        readings: for each input, the stretch of its partitions that a partition may see.
        keys: the partitions that will be built, in their calendar.
        own: the name of the table that is built and its columns; if it reads itself it may be missing as yet.

    Raises:
        LakeError: an input cannot be opened.
    """

    def __init__(
        self, readings: Sequence[Reading], lake: Lake, keys: Iterable[str], own: tuple[str, pa.Schema] | None = None
    ) -> None:
        self.readings = readings
        self._opened: dict[str, OpenedInput] = {}
        self.exists = False
        keys = list(keys)
        for reading in readings:
            table = Table(lake, reading.timeline.table)
            opened = open_input(table, {wanted for own_key in keys for wanted in reading.keys(own_key)})
            if own is not None and table.name == own[0]:
                self.exists = opened is not None
                key = [] if reading.timeline.calendar is None else [pa.field(PARTITION_COLUMN, pa.string())]
                opened = opened or OpenedInput(table, pa.schema([*own[1], *key]), {}, {})
            if opened is not None:
                self._opened[table.name] = opened
        self._own = own[0] if own else None

    def refuse_missing(self, key: str, reader: str) -> None:
        """A partition computed without an input that should exist would differ silently from a later rerun.

        Raises:
            ContractError: naming the first input that the partition `key` of the table `reader` lacks.
            UnreadableError: a file of an input is not as it was written.
        """
        for reading in self.readings:
            table = reading.timeline.table
            opened = self._opened.get(table)
            missing = [] if opened is None else [own for own in reading.keys(key) if own not in opened.records]
            if table == self._own and reading.timeline.calendar is None:
                missing = []
            if opened is not None and not missing:
                opened.refuse_changed(reading.keys(key))
                continue
            named = f"partition {missing[0]}" if missing and missing[0] else "the table"
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ContractError(
                f"the input {table} lacks {named}{more}", where=f"{reader}[{key}]", fix="materialize it first"
            )

    def reads(self, key: str) -> dict[str, InputRead]:
        """What the partition reads of each input, for its provenance; an input it sees nothing of is left out."""
        found = {}
        for reading in self.readings:
            table, keys = reading.timeline.table, reading.keys(key)
            opened = self._opened[table]
            recorded = [opened.records[own] for own in keys if own in opened.records]
            if recorded:
                found[table] = InputRead(
                    version=max(item.version for item in recorded),
                    digest=combine(item.record.digest for item in recorded),
                    partitions=(keys[0], keys[-1]) if keys[0] else None,
                )
        return found

    def rows(self, key: str) -> int:
        """How many rows of all inputs the partition may see, by the tables' logs."""
        return sum(
            file.rows
            for reading in self.readings
            if (opened := self._opened.get(reading.timeline.table)) is not None
            for own in reading.keys(key)
            for file in opened.files.get(own, ())
        )

    @property
    def opened(self) -> Mapping[str, OpenedInput]:
        """The inputs that exist, by table."""
        return self._opened
