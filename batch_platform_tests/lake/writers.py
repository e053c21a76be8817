"""Writers of a table for the tests: in this process, and in processes that race or are killed.

Importing it must stay light: every spawned process does.
"""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any

import pyarrow as pa

from batch_platform.lake.commit import Commit, Replacement, replace_partitions, replace_with_quarantine
from batch_platform.lake.digest import digest_table
from batch_platform.lake.provenance import Ledger, PartitionRecord, Provenance, SourceRead, Stage
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.partitions import PARTITION_COLUMN

SPAWN = multiprocessing.get_context("spawn")  # deltalake does not survive a fork
Committing = Callable[[Table, Mapping[str, pa.Table]], Commit]
SOURCE = SourceRead("in.csv", "0" * 64, 1)


def record_of(rows: pa.Table, **changes: Any) -> PartitionRecord:
    """A complete snapshot record of some rows."""
    record = PartitionRecord(digest_table(rows).hex, Ledger(rows.num_rows, {"kept": rows.num_rows}), sources=(SOURCE,))
    return replace(record, **changes)


def provenance_of(records: Mapping[str, PartitionRecord], **changes: Any) -> Provenance:
    """A complete snapshot provenance."""
    complete = Provenance(Stage.SNAPSHOT, "run", "local", 0.5, 0.01, records, package_version="1.2.3", git_commit="abc")
    return replace(complete, **changes)


def commit_rows(table: Table, contents: Mapping[str, pa.Table], run_id: str = "run") -> Commit:
    """Write and commit partitions, one file each, as a stage does."""
    schema = next(iter(contents.values())).schema
    files = {key: [table.write(key, rows)] for key, rows in contents.items()}
    records = {key: record_of(rows) for key, rows in contents.items()}
    return replace_partitions(table, schema, files, provenance_of(records, run_id=run_id))


def commit_pair(table: Table, contents: Mapping[str, pa.Table]) -> Commit:
    """Commit rows and, beside them, as many rejected ones of the same writer, as a stage with a quarantine does."""
    aside = Table(table.lake, quarantine_of(table.name))
    schema = next(iter(contents.values())).schema
    digests = {key: digest_table(rows).hex for key, rows in contents.items()}
    records = {key: record_of(rows, rejected=digests[key]) for key, rows in contents.items()}
    return replace_with_quarantine(
        Replacement(table, schema, {key: [table.write(key, rows)] for key, rows in contents.items()}, records),
        Replacement(
            aside,
            schema,
            {key: [aside.write(key, rows)] for key, rows in contents.items()},
            {key: record_of(rows) for key, rows in contents.items()},
        ),
        provenance_of(records),
    )


def quarantine_of(name: str) -> str:
    """The quarantine of a table."""
    return f"quarantine/{name.split('/')[1]}"


def signed_rows(writer: int) -> pa.Table:
    """Rows that tell who wrote them and whether they are whole."""
    count = writer + 2
    return pa.table({"writer": [writer] * count, "row": range(count)})


def live_content(table: Table, key: str) -> pa.Table:
    """The rows that a reader finds in one partition."""
    return table.read([key]).drop_columns([PARTITION_COLUMN])


def race(lake: Lake, plans: Mapping[str, Sequence[Mapping[str, pa.Table]]], commit: Committing = commit_rows) -> None:
    """Let processes commit at the same moment, table after table; raises what any of them raised.

    Args:
        lake: where the tables lie.
        plans: for each table, what each process commits to it.
        commit: how.
    """
    racers = len(next(iter(plans.values())))
    start = SPAWN.Barrier(racers)
    pipes = [SPAWN.Pipe(duplex=False) for _ in range(racers)]
    processes = [
        SPAWN.Process(
            target=_racer,
            args=(lake, {name: plan[racer] for name, plan in plans.items()}, commit, start, pipes[racer][1]),
            daemon=True,
        )
        for racer in range(racers)
    ]
    try:
        for process in processes:
            process.start()
        for receive, _ in pipes:
            assert receive.poll(180), "a racer did not finish"
            problem = receive.recv()
            assert problem is None, problem
    finally:
        for process in processes:
            process.kill()
            process.join()


def _racer(
    lake: Lake, mine: Mapping[str, Mapping[str, pa.Table]], commit: Committing, start: Barrier, report: Connection
) -> None:
    problem = None
    for name, contents in mine.items():
        start.wait(180)
        try:
            commit(Table(lake, name), contents)
        except Exception:
            problem = problem or traceback.format_exc()
    report.send(problem)


def write_then_wait(lake: Lake, name: str, contents: Mapping[str, pa.Table], report: Connection) -> None:
    """Write files, say so, and wait for the end that comes before the commit."""
    for key, rows in contents.items():
        Table(lake, name).write(key, rows)
    report.send("written")
    report.recv()


def commit_with_limited_file_size(lake: Lake, name: str, contents: Mapping[str, pa.Table], report: Connection) -> None:
    """Commit while no file may grow beyond 64 KiB, and report how that ended."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
    try:
        report.send(commit_rows(Table(lake, name), contents))
    except Exception as error:
        report.send((type(error).__name__, str(error)))
