"""The floor: as little as a person can write by hand to decode the rows, run the model and write key and score.

Two threads, each owning whole row groups; pyarrow without threads of its own; no contract, no digest, no commit. The
model is the platform's own form for inference, since a better one would serve the platform as well.
"""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from batch_platform.models import artifact
from batch_platform.models.runtimes.plain import runtime_of
from batch_platform_tests.benchmarks.scoring_parts.contender import MALLOC, SCORE, WORKERS, Contender, Work
from batch_platform_tests.benchmarks.scoring_parts.job import COLUMNS, KEY, LEVELS, Job

BATCH_ROWS = 8192
"""Rows that are scored at once: what lies between decoding and scores stays in the cache."""

PARQUET = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": False,
    "write_statistics": False,
    "column_encoding": {KEY: "DELTA_BINARY_PACKED", SCORE: "BYTE_STREAM_SPLIT"},
}
_SCHEMA = pa.schema([pa.field(KEY, pa.int64()), pa.field(SCORE, pa.float32())])

Predict = Callable[[pa.RecordBatch], Any]

Group = tuple[str, int]
"""A file and the number of a row group in it."""


def row_groups(files: Sequence[str]) -> list[Group]:
    """All row groups of some files, in order."""
    return [(path, index) for path in files for index in range(pq.read_metadata(path).num_row_groups)]


def shares(groups: Sequence[Group], workers: int) -> list[Sequence[Group]]:
    """The row groups as one contiguous range for each worker."""
    ends = [len(groups) * number // workers for number in range(workers + 1)]
    return [groups[first:last] for first, last in pairwise(ends) if last > first]


def score_groups(predict: Predict, groups: Sequence[Group], target: Path) -> Mapping[str, float]:
    """Score a worker's row groups into one file; returns the CPU-seconds of this thread by phase."""
    spent: defaultdict[str, float] = defaultdict(float)

    def phase(name: str, since: float) -> float:
        now = time.thread_time()
        spent[name] += now - since
        return now

    opened: dict[str, pq.ParquetFile] = {}
    with pq.ParquetWriter(target, _SCHEMA, **PARQUET) as writer:
        for path, index in groups:
            clock = time.thread_time()
            if path not in opened:
                opened.clear()
                opened[path] = pq.ParquetFile(path, read_dictionary=list(LEVELS))
            table = opened[path].read_row_group(index, columns=[KEY, *COLUMNS], use_threads=False)
            batches = table.to_batches(max_chunksize=BATCH_ROWS)
            clock = phase("decode", clock)
            scores = np.concatenate([predict(batch) for batch in batches])
            clock = phase("model", clock)
            writer.write_table(pa.table([table.column(KEY), pa.array(scores)], schema=_SCHEMA))
            phase("write", clock)
    return spent


@contextmanager
def _ready(job: Job) -> Iterator[Work]:
    target = job.target("floor")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    predict = predictor(job)
    yield partial(_score, predict, job, target)


def predictor(job: Job) -> Predict:
    """What the floor calls for each batch."""
    return runtime_of(artifact.load(job.model, None), BATCH_ROWS, "cpu").score


def _score(predict: Predict, job: Job, target: Path) -> Mapping[str, float]:
    parts = shares(row_groups(job.files), WORKERS)
    with ThreadPoolExecutor(WORKERS) as pool:
        places = [target / f"part-{number}.parquet" for number in range(len(parts))]
        found = list(pool.map(partial(score_groups, predict), parts, places))
    return {phase: sum(spent[phase] for spent in found) for phase in found[0]}


CONTENDER = Contender(
    "floor, by hand",
    f"{WORKERS} threads that own row groups, batches of {BATCH_ROWS} rows, texts read as dictionaries, "
    "one BLAS thread each, malloc keeps memory, key delta-encoded, score byte-stream-split, no statistics",
    _ready,
    environment={**MALLOC, "OPENBLAS_NUM_THREADS": "1"},
)
