"""Whether contenders gave the same scores for the same rows, and what their figures say about each other.

Belongs here: pure functions on scores and figures. Does not belong here: measuring or printing.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from batch_platform_tests.benchmarks.scoring_parts.contender import SCORE
from batch_platform_tests.benchmarks.scoring_parts.job import KEY
from batch_platform_tests.benchmarks.scoring_parts.measure import Usage

TOLERANCE = 1e-5


@dataclass(frozen=True)
class Scores:
    """Keys in order, int64 (rows,), and the score of each, float32 (rows,)."""

    keys: NDArray[np.int64]
    values: NDArray[np.float32]


def read_scores(files: Sequence[Path]) -> Scores:
    """The scores in some Parquet files, ordered by key."""
    tables = [pq.ParquetFile(file).read(columns=[KEY, SCORE]) for file in files]
    table = pa.concat_tables(tables)
    keys, values = table.column(KEY).to_numpy(), table.column(SCORE).to_numpy()
    order = np.argsort(keys, kind="stable")
    return Scores(keys[order], values[order])


def refuse_unless_equal(expected: Scores, found: Scores, title: str, *, to_the_bit: bool = False) -> float:
    """The largest difference of two contenders' scores.

    Raises:
        ValueError: they scored other rows, or scores differ by more than `TOLERANCE` or, if asked, in any bit.
    """
    if not np.array_equal(expected.keys, found.keys):
        raise ValueError(f"{title}: {len(found.keys)} rows with other keys than the {len(expected.keys)} expected")
    bits = expected.values.view(np.uint32) != found.values.view(np.uint32)
    largest = float(np.abs(expected.values.astype(np.float64) - found.values).max(initial=0.0))
    # Written so that NaN fails.
    if not largest <= TOLERANCE or (to_the_bit and bits.any()):
        raise ValueError(f"{title}: {bits.sum()} of {len(bits)} scores differ, by {largest:.2g} at most")
    return largest


Measure = Callable[[Usage], float]


def median(rounds: Sequence[Mapping[str, Usage]], name: str, measure: Measure) -> float:
    """The median of a contender's figure over the rounds."""
    return statistics.median(measure(used[name]) for used in rounds)


def median_ratio(rounds: Sequence[Mapping[str, Usage]], over: str, under: str, measure: Measure) -> float:
    """The median over the rounds of one contender's figure divided by another's in the same round."""
    return statistics.median(measure(used[over]) / measure(used[under]) for used in rounds)
