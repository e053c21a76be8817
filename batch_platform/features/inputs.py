"""What a partition of a feature table may read: its inputs, each at one version.

Belongs here: the inputs' records and rows. Does not belong here: the connection in which user SQL sees them
(`sandbox.py`), and what becomes of the rows that it yields (`build.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.dataset as ds

from batch_platform.errors import ContractError, UnreadableError, first_line
from batch_platform.lake.digest import combine
from batch_platform.lake.log import Recorded, newest_records
from batch_platform.lake.provenance import WHOLE_TABLE, InputRead
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.timelines import Reading


class Inputs:
    """The inputs of some partitions. Each table is opened once, so records and rows are of one version.

    Args:
        readings: for each input, the stretch of its partitions that a partition may see.
        keys: the partitions that will be built, in their calendar.

    Raises:
        LakeError: an input cannot be opened.
    """

    def __init__(self, readings: Sequence[Reading], lake: Lake, keys: Iterable[str]) -> None:
        self.readings = readings
        self._opened: dict[str, OpenedInput] = {}
        keys = list(keys)
        for reading in readings:
            table = Table(lake, reading.timeline.table)
            opened = _open(table, {wanted for own in keys for wanted in reading.keys(own)})
            if opened is not None:
                self._opened[table.name] = opened

    def refuse_missing(self, key: str, reader: str) -> None:
        """A partition computed without an input that should exist would differ silently from a later rerun.

        Raises:
            ContractError: naming the first input that the partition `key` of the table `reader` lacks.
        """
        for reading in self.readings:
            table = reading.timeline.table
            opened = self._opened.get(table)
            missing = [] if opened is None else [own for own in reading.keys(key) if own not in opened.records]
            if opened is not None and not missing:
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
            recorded = [self._opened[table].records[own] for own in keys]
            if recorded:
                found[table] = InputRead(
                    version=max(item.version for item in recorded),
                    digest=combine(item.record.digest for item in recorded),
                    partitions=(keys[0], keys[-1]) if keys[0] else None,
                )
        return found

    def rows(self, key: str) -> int:
        """How many rows of all inputs the partition may see, from their ledgers."""
        count = 0
        for reading in self.readings:
            opened = self._opened.get(reading.timeline.table)
            for own in reading.keys(key) if opened else ():
                outcomes = opened.records[own].record.ledger.outcomes if opened else {}
                count += outcomes.get("kept", outcomes.get("valid", 0))
        return count

    @property
    def opened(self) -> Mapping[str, OpenedInput]:
        """The inputs that exist, by table."""
        return self._opened


@dataclass(frozen=True)
class OpenedInput:
    """One input at one version: of each wanted partition its newest record and its files."""

    name: str
    records: Mapping[str, Recorded]
    dataset: ds.FileSystemDataset
    fragments: Mapping[str, list[ds.Fragment]]

    @property
    def schema(self) -> pa.Schema:
        return self.dataset.schema

    def read(self, partition: str) -> pa.Table:
        """The rows of one partition.

        Raises:
            UnreadableError: a file is missing or damaged.
        """
        whole = self.dataset
        part = ds.FileSystemDataset(self.fragments[partition], whole.schema, whole.format, whole.filesystem)
        try:
            return part.to_table()
        except (OSError, pa.ArrowException) as error:
            place = f"{self.name}[{partition}]" if partition else self.name
            raise UnreadableError(
                f"cannot be read: {first_line(error)}", where=place, fix="materialize it again"
            ) from error


def _open(table: Table, wanted: set[str]) -> OpenedInput | None:
    """The input, None where it was never committed."""
    delta = table.open()
    if delta is None:
        return None
    chosen = [(PARTITION_COLUMN, "in", sorted(wanted))] if wanted - {WHOLE_TABLE} else None
    dataset = delta.to_pyarrow_dataset(partitions=chosen)
    fragments: dict[str, list[ds.Fragment]] = {}
    for fragment in dataset.get_fragments():
        key = ds.get_partition_keys(fragment.partition_expression).get(PARTITION_COLUMN, WHOLE_TABLE)
        fragments.setdefault(key, []).append(fragment)
    return OpenedInput(table.name, newest_records(delta, wanted), dataset, fragments)
