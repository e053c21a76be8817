"""Scoring rows so that those which a model cannot score do not take the others with them.

Belongs here: bisecting a batch that makes a model raise, and telling scores that are none. Does not belong here: where
rows come from or go to.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from batch_platform.engines.cancellation import refuse_if_cancelled
from batch_platform.errors import BatchPlatformError, ModelError, first_line, is_transient
from batch_platform.models.runtimes.base import Runtime
from batch_platform.models.runtimes.scores import ScoreField, conform

_QUICK = 0.02
"""Seconds: a call that takes less is given twice as many rows the next time, as long as a cancelled run ends soon."""

_HOPELESS = 64
"""Rows that fail one by one, while none has been scored, from which on the model itself is at fault."""


@dataclass(frozen=True)
class Scores:
    """The scores of some rows.

    Args:
        columns: one array a score field, null where a row has none.
        failures: number of the row -> why it has no score.
    """

    columns: Mapping[str, pa.Array]
    failures: Mapping[int, str]


@dataclass
class Scoring:
    """Scores the chunks of one shard.

    Args:
        runtime: the model.
        fields: what it is declared to give.
        batch_rows: the least number of rows of a call; more are handed over where calls are quick.
        place: table, partition and version, for errors.
    """

    runtime: Runtime
    fields: Sequence[ScoreField]
    batch_rows: int
    place: str
    _call_rows: int = 0
    _scored: int = 0
    _failed: int = 0

    def score(self, rows: pa.RecordBatch) -> Scores:
        """Score rows, of which any number may fail.

        Raises:
            ModelError: the model gives something else than is declared, fails on every row, or refuses.
            Cancelled: the run was cancelled; rows of a batch at most were scored for nothing.
        """
        parts: list[dict[str, pa.Array]] = []
        failures: dict[int, str] = {}
        start = 0
        while start < rows.num_rows:
            refuse_if_cancelled()
            step = self._call_rows = max(self._call_rows, self.batch_rows)
            began = time.perf_counter()
            for first, part, reason in self._attempt(rows.slice(start, step), start):
                parts.append(part)
                if reason:
                    failures[first] = reason
            if time.perf_counter() - began < _QUICK:
                self._call_rows = 2 * step
            start += step
        columns = {f.name: _joined([part[f.name] for part in parts], f) for f in self.fields}
        failures |= self._without_score(columns, failures)
        return Scores(columns, dict(sorted(failures.items())))

    def _attempt(self, rows: pa.RecordBatch, first: int) -> Iterator[tuple[int, dict[str, pa.Array], str]]:
        """First row, scores and error of each piece into which the rows had to be cut."""
        try:
            given = self.runtime.score(rows)
        except (BatchPlatformError, MemoryError):
            raise
        except Exception as error:  # whatever a model may raise
            if is_transient(error):
                raise
            reason = f"{type(error).__name__}: {first_line(error)}"
            if rows.num_rows == 1:
                self._refuse_hopeless(reason)
                yield first, {f.name: pa.nulls(1, f.kind) for f in self.fields}, reason
                return
            half = (rows.num_rows + 1) // 2
            yield from self._attempt(rows.slice(0, half), first)
            yield from self._attempt(rows.slice(half), first + half)
            return
        try:
            yield first, dict(conform(given, self.fields, rows.num_rows)), ""
        except ModelError as error:
            raise ModelError(error.what, where=self.place, fix=error.fix) from error
        self._scored += rows.num_rows

    def _refuse_hopeless(self, reason: str) -> None:
        self._failed += 1
        if self._failed >= _HOPELESS and not self._scored:
            raise ModelError(
                f"the model fails on each of the first {self._failed} rows: {reason}",
                where=self.place,
                fix="correct the model or the features",
            )

    def _without_score(self, columns: Mapping[str, pa.Array], known: Mapping[int, str]) -> dict[int, str]:
        """Rows that a model answered with nothing, or with no number."""
        found: dict[int, str] = {}
        for name, column in columns.items():
            for row in np.flatnonzero(~usable(column)).tolist():
                if row not in known and row not in found:
                    shown = column[row].as_py()
                    found[row] = f"the model's {name} is {shown}" if not isinstance(shown, list) else _vector(name)
        return found


def usable(column: pa.Array) -> NDArray[np.bool_]:
    """Whether each score is there and finite; of a vector, all its numbers."""
    kind = column.type
    if pa.types.is_list(kind):
        values = column.flatten()
        good = usable(values) if len(values) else np.empty(0, np.bool_)
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        bad = np.bincount(np.repeat(np.arange(len(column)), lengths), weights=~good, minlength=len(column))
        found: NDArray[np.bool_] = (bad == 0) & column.is_valid().to_numpy(zero_copy_only=False)
        return found
    if pa.types.is_floating(kind) and not column.null_count:
        numbers: NDArray[np.float64] = column.to_numpy(zero_copy_only=False)
        return np.isfinite(numbers)
    finite = pc.is_finite(column) if pa.types.is_floating(kind) else column.is_valid()
    present: NDArray[np.bool_] = pc.fill_null(finite, False).to_numpy(zero_copy_only=False)
    return present


def _joined(parts: Sequence[pa.Array], declared: ScoreField) -> pa.Array:
    if not parts:
        return pa.array([], declared.kind)
    return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)


def _vector(name: str) -> str:
    return f"the model's {name} holds a number that is none"
