"""Rows of every type, committed partitions of them, and a process that is killed while it delivers.

Importing it must stay light: every spawned process does.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path

import pyarrow as pa

from batch_platform.lake.provenance import ModelUsed
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.secret_values import Secrets
from batch_platform.settings import Settings
from batch_platform.sinks.base import Delivery
from batch_platform.sinks.declared import SinkDeclaration
from batch_platform.sinks.opening import open_sink
from batch_platform_tests.lake.writers import SPAWN, commit_rows

TABLE = "predictions/flights"
MON, TUE = "2025-01-06", "2025-01-07"
KEY = ("flight_id",)
SCHEMA = pa.schema(
    {
        "flight_id": pa.int64(),
        "carrier": pa.string(),
        "late_probability": pa.float32(),
        "delay_minutes": pa.float64(),
        "on_time": pa.bool_(),
        "day": pa.date32(),
        "scheduled": pa.timestamp("us", "UTC"),
        "wall_clock": pa.timestamp("us"),
        "fare": pa.decimal128(12, 2),
        "embedding": pa.list_(pa.float64()),
        "code": pa.binary(),
    }
)
MOMENT = datetime(2025, 1, 6, 23, 59, 59, 123456, UTC)


def row(number: int, late: float = 0.25) -> dict[str, object]:
    """One row with a value in every column."""
    return {
        "flight_id": number,
        "carrier": 'say "a, b"\nc' if number % 2 else "",
        "late_probability": late,
        "delay_minutes": number / 3,
        "on_time": number % 2 == 0,
        "day": date(2025, 1, 6),
        "scheduled": MOMENT,
        "wall_clock": MOMENT.replace(tzinfo=None),
        "fare": Decimal("12345678.90"),
        "embedding": [0.5, None, 1.5],
        "code": b"\x00\xff",
    }


def rows(*numbers: int, late: float = 0.25) -> pa.Table:
    """Rows with these flights."""
    return pa.Table.from_pylist([row(number, late) for number in numbers], schema=SCHEMA)


def nothing_known(number: int) -> pa.Table:
    """One row that is null but for its key."""
    return pa.Table.from_pylist([{"flight_id": number}], schema=SCHEMA)


def delivery(table: pa.Table, partition: str = MON, digest: str = "d1", key: tuple[str, ...] = KEY) -> Delivery:
    """A delivery of these rows."""
    model = ModelUsed("flight_delay", "3", "m" * 32)
    return Delivery(TABLE, partition, key, digest, table.schema, table.num_rows, "run", model)


def settings_of(lake: Lake, project: Path) -> Settings:
    """Settings with this lake and project."""
    return Settings(project, lake, "", "")


def commit(lake: Lake, **contents: pa.Table) -> None:
    """Commit partitions; `mon` and `tue` stand for their keys."""
    commit_rows(Table(lake, TABLE), {{"mon": MON, "tue": TUE}[name]: found for name, found in contents.items()})


def killed_in_mid_delivery(declared: SinkDeclaration, settings: Settings, table: pa.Table) -> None:
    """Deliver these rows in a process that is killed (SIGKILL) when half of their batches have been sent."""
    receive, send = SPAWN.Pipe(duplex=False)
    process = SPAWN.Process(target=_deliver_half, args=(declared, settings, table, send), daemon=True)
    process.start()
    try:
        assert receive.poll(60), "the process sent nothing"
        assert receive.recv() == "half"
    finally:
        process.kill()
        process.join()


def _deliver_half(declared: SinkDeclaration, settings: Settings, table: pa.Table, report: Connection) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        found = table.to_batches(max_chunksize=2)
        yield from found[: len(found) // 2]
        report.send("half")
        threading.Event().wait()

    open_sink(declared, settings, Secrets()).deliver(delivery(table), batches())
