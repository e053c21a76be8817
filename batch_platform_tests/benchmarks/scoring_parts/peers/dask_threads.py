"""Dask's threaded scheduler: one delayed task for each range of row groups, which reads, predicts and writes it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from batch_platform_tests.benchmarks.scoring_parts.contender import MALLOC, SCORE, WORKERS, Contender, Work, eager_model
from batch_platform_tests.benchmarks.scoring_parts.job import COLUMNS, KEY, Job

GROUPS = 1
"""Row groups of a task."""


@contextmanager
def _ready(job: Job) -> Iterator[Work]:
    import dask

    target = job.target("dask")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    yield partial(_score, dask, eager_model(job.model), job, target)


def _score(dask: Any, model: Any, job: Job, target: Path) -> Mapping[str, float]:
    ranges = [
        (path, list(range(first, min(first + GROUPS, count))))
        for path in job.files
        for count in [pq.read_metadata(path).num_row_groups]
        for first in range(0, count, GROUPS)
    ]
    tasks = [
        dask.delayed(_score_range, pure=False)(dask.delayed(model, traverse=False), path, groups, target)
        for path, groups in ranges
    ]
    dask.compute(*tasks, scheduler="threads", num_workers=WORKERS)
    return {}


def _score_range(model: Any, path: str, groups: Sequence[int], target: Path) -> None:
    with pq.ParquetFile(path) as file:
        rows = file.read_row_groups(groups, columns=[KEY, *COLUMNS], use_threads=False)
    scored = pa.table({KEY: rows.column(KEY), SCORE: pa.array(model.predict(rows))})
    pq.write_table(scored, target / f"{Path(path).stem}-{groups[0]}.parquet", compression="zstd", use_dictionary=False)


CONTENDER = Contender(
    "Dask threads",
    f"{WORKERS} threads with one torch thread each, tasks of {GROUPS} row group, pyarrow without threads of its own, "
    "malloc keeps memory",
    _ready,
    ("dask",),
    MALLOC,
)
