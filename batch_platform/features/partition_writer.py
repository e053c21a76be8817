"""One partition on its way into the lake: judged batch by batch, digested and written as it comes.

Belongs here: what is counted and kept of a partition while its rows pass, none of which need fit into memory. Does not
belong here: where the rows come from (`query.py`), and committing files (`builder.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl
import pyarrow as pa

from batch_platform.contracts.contract import Verdict
from batch_platform.contracts.table_rules import PartitionState
from batch_platform.contracts.validation import validate
from batch_platform.errors import ContractError, first_line
from batch_platform.features.definition import FeatureTable
from batch_platform.features.quarantine import stop_if_exceeded
from batch_platform.features.selection import RULE
from batch_platform.lake.data_file import DataFile
from batch_platform.lake.digest import ContentDigest, digest_table
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.lake.table import Table

MOST_REJECTED = 1_000_000
"""Rejected rows from which on a partition is stopped before its end, if they are more than is tolerated so far."""


@dataclass(frozen=True)
class Judged:
    """What became of a partition's rows.

    Args:
        write: puts the valid rows into the table, invisible as yet.
        digest: of the valid rows.
        rows: how many the query gave.
        verdict: the counts of broken rules, and the rejected rows; of the valid rows it holds the number alone.
        twins: how many valid rows repeat the key of another.
        blanks: how many have a null in it.
    """

    write: Callable[[], DataFile]
    digest: str
    rows: int
    verdict: Verdict
    twins: int
    blanks: int


class PartitionWriter:
    """Takes the rows of one partition, in the order of its key. `finish` or `discard` it.

    Args:
        features: the feature table.
        valid: the table for the rows that keep the contract.
        key: the partition.
        window_end: where its window ends; None for a table without partitions.
        spill: a folder for what does not fit into memory.
        pool: threads for digesting and writing while the next rows are judged.
    """

    def __init__(
        self,
        features: FeatureTable,
        valid: Table,
        key: str,
        window_end: datetime | None,
        spill: Path,
        pool: ThreadPoolExecutor,
    ) -> None:
        self._features, self._contract, self._key = features, features.contract, key
        self._where = f"{features.model.table}[{key}]" if key else features.model.table
        self._state = PartitionState(features.contract, window_end)
        self._file = valid.writer(key, spill)
        self._schema = features.stored_schema
        self._pool = pool
        self._digests: list[Future[ContentDigest]] = []
        self._digest = digest_table(self._schema.empty_table())
        self._writing: Future[None] | None = None
        self._given = self._rows = self._twins = self._blanks = 0
        self._last_key: pl.DataFrame | None = None
        self._rejected: list[pl.DataFrame] = []
        self._broken: dict[str, int] = {}
        self._warned: dict[str, int] = {}

    def add(self, rows: pa.Table, *, last: bool) -> None:
        """Judge, digest and write some rows.

        Raises:
            ContractError: the rows break the contract as a whole, or too many do.
            LakeError: they cannot be written.
        """
        self._given += rows.num_rows
        frame = _frame(rows, self._where)
        computed = {name.removeprefix(RULE): frame[name] for name in frame.columns if name.startswith(RULE)}
        frame = frame.drop([name for name in frame.columns if name.startswith(RULE)])
        verdict = validate(frame, self._contract, computed, state=self._state)
        self._count(verdict)
        if not last:
            self._stop_early()
        valid = verdict.valid.select(self._schema.names).to_arrow().cast(self._schema)
        self._compare_keys(verdict.valid.select(self._features.model.key))
        self._settle(1)
        # Rows that come in one piece are few: handing them to a thread would take longer than working on them.
        if last and self._writing is None:
            self._digest += digest_table(valid)
            self._file.add(valid)
        else:
            self._digests.append(self._pool.submit(digest_table, valid))
            self._writing = self._pool.submit(self._file.add, valid)

    def finish(self) -> Judged:
        """End the partition; its file is put in its place when `write` of the answer is called.

        Raises:
            ContractError: the partition breaks the contract.
            LakeError: the rows cannot be written.
        """
        self._settle(0)
        notes = self._state.finish()
        verdict = self._verdict(notes)
        stop_if_exceeded(verdict, self._features.tolerance, self._contract, partition=self._key)
        return Judged(self._file.finish, self._digest.hex, self._given, verdict, self._twins, self._blanks)

    def discard(self) -> None:
        """Forget the partition."""
        for digesting in self._digests:
            digesting.cancel()
        if self._writing is not None and not self._writing.cancel():
            self._writing.exception()
        self._file.discard()

    def _settle(self, digests: int) -> None:
        """Wait for the rows before these, so that few are in memory at a time."""
        while len(self._digests) > digests:
            self._digest += self._digests.pop(0).result()
        if self._writing is not None:
            self._writing.result()

    def _count(self, verdict: Verdict) -> None:
        self._rows += verdict.valid.height
        if verdict.rejected.height or not self._rejected:
            self._rejected.append(verdict.rejected)
        for total, found in ((self._broken, verdict.broken), (self._warned, verdict.warned)):
            for name, count in found.items():
                total[name] = total.get(name, 0) + count

    def _verdict(self, notes: tuple[str, ...] = ()) -> Verdict:
        height = pl.Series("rows", [None]).new_from_index(0, self._rows).to_frame()
        broken, warned = dict(sorted(self._broken.items())), dict(sorted(self._warned.items()))
        return Verdict(height, pl.concat(self._rejected), broken, warned, notes)

    def _stop_early(self) -> None:
        """Stop before the end where the rest of the rows cannot change that too many break the contract."""
        tolerance, rejected = self._features.tolerance, sum(frame.height for frame in self._rejected)
        certain = rejected > tolerance.rows if tolerance.rows is not None else rejected > MOST_REJECTED
        if not certain:
            return
        try:
            stop_if_exceeded(self._verdict(), tolerance, self._contract, partition=self._key)
        except ContractError as error:
            raise ContractError(f"at least {error.what}", where=error.where, fix=error.fix) from None

    def _compare_keys(self, keys: pl.DataFrame) -> None:
        """Count repeated keys, which stand side by side, and nulls in them."""
        if not keys.width or not keys.height:
            return
        self._blanks += keys.height - keys.drop_nulls().height
        before = keys.head(1) if self._last_key is None else self._last_key
        shifted = pl.concat([before, keys.head(keys.height - 1)])
        same = [keys[name].eq_missing(shifted[name]) for name in keys.columns]
        alike: pl.Series = same[0]
        for mask in same[1:]:
            alike &= mask
        self._twins += int(alike.sum()) - (self._last_key is None)
        self._last_key = keys.tail(1)


def _frame(rows: pa.Table, where: str) -> pl.DataFrame:
    """The query's rows, ready to be judged.

    Raises:
        ContractError: two columns have one name, a column has a type that no table can hold, or `_source_file` and
            `_source_row` are not text and whole number.
    """
    try:
        frame = pl.DataFrame(pl.from_arrow(rows))
    except pl.exceptions.PolarsError as error:
        raise ContractError(
            f"the rows cannot be stored: {first_line(error)}", where=where, fix="correct the SQL"
        ) from error
    for name, kind in ((SOURCE_FILE, pl.String), (SOURCE_ROW, pl.Int64)):
        found = frame[name] if name in frame.columns else pl.Series(dtype=kind)
        if not (found.dtype == kind or (found.dtype.is_integer() and kind.is_integer()) or found.is_null().all()):
            raise ContractError(
                f"{name} is {found.dtype}, expected {kind}", where=where, fix="select it unchanged from an input"
            )
    return frame
