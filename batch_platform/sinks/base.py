"""What a sink is: something that takes the committed rows of one partition, as often as it is asked to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from batch_platform.lake.provenance import ModelUsed
from batch_platform.partitions.places import place


@dataclass(frozen=True)
class Delivery:
    """One committed partition on its way to a sink.

    Args:
        table: the table, such as `predictions/flight_delay`.
        partition: the partition's key; empty for a table without partitions.
        key: the columns that identify a row within the partition.
        digest: the partition's content digest, which is its data version.
        schema: the columns of the batches, without the partition column.
        rows: how many rows the batches hold together.
        run_id: the run that delivers.
        model: the model version that scored the partition, if one did.
    """

    table: str
    partition: str
    key: tuple[str, ...]
    digest: str
    schema: pa.Schema
    rows: int
    run_id: str
    model: ModelUsed | None = None

    @property
    def place(self) -> str:
        """The partition as messages show it."""
        return place(self.table, self.partition)


class Sink(Protocol):
    """A target of committed partitions, open for a run.

    Delivering is idempotent: a second delivery of the same partition leaves the target as the first one left it, and
    one after a delivery that was cut short leaves it as if nothing had happened in between.
    """

    @property
    def name(self) -> str:
        """The name that the pipeline gives it."""

    def deliver(self, delivery: Delivery, batches: Iterator[pa.RecordBatch]) -> int:
        """Make the target hold exactly these rows for the partition; gives their number.

        `batches` are of bounded size and can be read once; a sink that needs no rows leaves them alone.

        Raises:
            DeliveryError: the target is out of reach or refuses; transient if trying again may help.
            BatchPlatformError: the rows cannot be read.
        """

    def close(self) -> None:
        """Let go of connections; afterwards the sink is of no use."""
