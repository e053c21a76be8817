"""Scoring rows so that those which a model cannot score do not take the others with them.

A row fails if the model raises on it alone, or gives no number. Nothing but the number of such rows decides whether a
partition is refused, so that the verdict is the same however the partition is cut.

Belongs here: bisecting a batch that makes a model raise. Does not belong here: where rows come from or go to, which
answers are no scores (`usable.py`), or how many rows may fail (`failures.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from batch_platform.engines.cancellation import refuse_if_cancelled
from batch_platform.errors import BatchPlatformError, ModelError, first_line, is_transient
from batch_platform.models.runtimes.base import Raw, Runtime
from batch_platform.models.runtimes.scores import ScoreField, conform
from batch_platform.predictions.failures import Allowance
from batch_platform.predictions.faults import is_machines, lacks_memory
from batch_platform.predictions.usable import without_score

_QUICK = 0.02
"""Seconds: a call that takes less is given twice as many rows the next time, as long as a cancelled run ends soon."""

_MOST_CALL_ROWS = 65_536
"""Rows of a call, however quick calls are: a call cannot be cancelled."""

_SUSPICIOUS = 64
"""Rows of a shard that raise, from which on it is worth a few calls to learn whether the model scores anything."""


def _none(count: int) -> Iterable[pa.RecordBatch]:
    return ()


@dataclass(frozen=True)
class Scores:
    """The scores of some rows.

    Args:
        columns: one array a score field, null where a row has none.
        failures: number of the row -> why it has no score.
    """

    columns: Mapping[str, pa.Array]
    failures: Mapping[int, str]


class _RowsError(Exception):
    """A call of the model failed on its rows, or on one of them; the text is the reason."""


@dataclass
class Scoring:
    """Scores the chunks of one shard.

    Args:
        runtime: the model.
        fields: what it is declared to give.
        batch_rows: the least number of rows of a call; more are handed over where calls are quick.
        place: table, partition and version, for errors.
        allowance: how many rows of the partition may fail.
        drawn: gives so many rows, one at a time, drawn from all over the partition, or fewer.
    """

    runtime: Runtime
    fields: Sequence[ScoreField]
    batch_rows: int
    place: str
    allowance: Allowance
    drawn: Callable[[int], Iterable[pa.RecordBatch]] = _none
    _call_rows: int = 0
    _raised: int = 0
    _failed: int = 0
    _scored: pa.RecordBatch | None = None
    """A row that the model took."""

    def score(self, rows: pa.RecordBatch) -> Scores:
        """Score rows, of which any number may fail as long as the partition tolerates it.

        Raises:
            ContractError: more rows failed than the partition tolerates.
            ModelError: the model gives something else than is declared, refuses, no longer scores what it scored
                before, or fails on rows from all over the partition.
            MemoryError, OSError: the model met them; no row is to blame.
            Cancelled: the run was cancelled; rows of a call at most were scored for nothing.
        """
        parts: list[dict[str, pa.Array]] = []
        failures: dict[int, str] = {}
        start = 0
        while start < rows.num_rows:
            step = self._call_rows = max(self._call_rows, self.batch_rows)
            raised, began = self._raised, time.perf_counter()
            for first, part, reason in self._attempt(rows.slice(start, step), start):
                parts.append(part)
                if reason:
                    failures[first] = reason
            if self._raised > raised:
                self._refuse_broken()
            elif time.perf_counter() - began < _QUICK:
                self._call_rows = max(step, min(2 * step, _MOST_CALL_ROWS))
            start += step
        columns = {f.name: _joined([part[f.name] for part in parts], f) for f in self.fields}
        without = without_score(columns, failures)
        if without:
            self._failed += len(without)
            self.allowance.refuse(self._failed, next(iter(without.values())))
        return Scores(columns, dict(sorted((failures | without).items())))

    def _attempt(self, rows: pa.RecordBatch, first: int) -> Iterator[tuple[int, dict[str, pa.Array], str]]:
        """First row, scores and error of each piece into which the rows had to be cut."""
        reason = ""
        try:
            given = self._call(rows)
        except _RowsError as error:
            reason = str(error)
        # Not in the handler: there, this error would count as what led to those of later calls.
        if reason and rows.num_rows > 1:
            half = (rows.num_rows + 1) // 2
            yield from self._attempt(rows.slice(0, half), first)
            yield from self._attempt(rows.slice(half), first + half)
            return
        if reason:
            self._count(reason)
            yield first, {f.name: pa.nulls(1, f.kind) for f in self.fields}, reason
            return
        try:
            yield first, dict(conform(given, self.fields, rows.num_rows)), ""
        except ModelError as error:
            raise ModelError(error.what, where=self.place, fix=error.fix) from error
        if self._scored is None:
            self._scored = rows.take(pa.array([0]))  # a copy, which does not keep the others

    def _call(self, rows: pa.RecordBatch) -> Raw:
        refuse_if_cancelled()
        try:
            return self.runtime.score(rows)
        except (BatchPlatformError, MemoryError, OSError):
            raise
        except Exception as error:  # whatever a model may raise
            if is_transient(error):
                raise
            reason = f"{type(error).__name__}: {first_line(error)}"
            if is_machines(error):
                raise self._fault(f"the machine failed while the model scored: {reason}", error) from error
            raise _RowsError(reason) from error

    def _count(self, reason: str) -> None:
        """Count a row that raises."""
        self._raised += 1
        self._failed += 1
        if self.allowance.exceeded(self._failed):
            self._refuse_broken()
            self.allowance.refuse(self._failed, reason)
        if self._scored is None and self._raised == _SUSPICIOUS:
            self._refuse_hopeless()

    def _refuse_broken(self) -> None:
        """Rows are to blame only as long as the model scores what it scored before."""
        if self._scored is None:
            return
        try:
            self._call(self._scored)
        except _RowsError as error:
            raise self._fault(f"the model no longer scores a row that it scored before: {error}", error) from error

    def _refuse_hopeless(self) -> None:
        """Refuse early what the allowance would refuse after many calls, beyond doubt."""
        needed, tried, reason = self.allowance.telling, 0, ""
        for row in self.drawn(needed) if needed else ():
            try:
                self._call(row)
            except _RowsError as error:
                tried, reason = tried + 1, str(error)
            else:
                self._scored = row
                return
        if needed and tried >= needed:
            raise ModelError(
                f"the model fails on each of {tried} rows from all over the partition: {reason}",
                where=self.place,
                fix="correct the model or the features",
            )

    def _fault(self, what: str, error: Exception) -> ModelError:
        fix = "try again; if it stays so, lower scoring.batch_rows or use another device"
        return ModelError(what, where=self.place, fix=fix, transient=lacks_memory(error))


def _joined(parts: Sequence[pa.Array], declared: ScoreField) -> pa.Array:
    if not parts:
        return pa.array([], declared.kind)
    return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)
