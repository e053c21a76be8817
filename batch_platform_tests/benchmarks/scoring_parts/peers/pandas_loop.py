"""A pandas loop: read a file into a frame, predict, write a frame; one file after the other."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from batch_platform_tests.benchmarks.scoring_parts.contender import MALLOC, SCORE, Contender, Work, eager_model
from batch_platform_tests.benchmarks.scoring_parts.job import COLUMNS, KEY, Job

CHUNK_ROWS = 65_536
THREADS = 2


@contextmanager
def _ready(job: Job) -> Iterator[Work]:
    import pandas as pd
    import torch

    target = job.target("pandas")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    model = eager_model(job.model)
    torch.set_num_threads(THREADS)
    yield partial(_score, pd, model, job, target)


def _score(pd: Any, model: Any, job: Job, target: Path) -> Mapping[str, float]:
    for path in job.files:
        frame = pd.read_parquet(path, engine="pyarrow", columns=[KEY, *COLUMNS], dtype_backend="pyarrow")
        scores = np.empty(len(frame), np.float32)
        for start in range(0, len(frame), CHUNK_ROWS):
            rows = pa.Table.from_pandas(frame.iloc[start : start + CHUNK_ROWS][list(COLUMNS)], preserve_index=False)
            scores[start : start + CHUNK_ROWS] = model.predict(rows)
        out = pd.DataFrame({KEY: frame[KEY], SCORE: scores})
        out.to_parquet(target / Path(path).name, engine="pyarrow", compression="zstd", index=False)
    return {}


CONTENDER = Contender(
    "pandas loop",
    f"Arrow-backed columns, pyarrow's own threads for reading, predictions of {CHUNK_ROWS} rows at a time, {THREADS} "
    "torch threads that wait without spinning, malloc keeps memory",
    _ready,
    ("pandas",),
    # By default a thread that waits for the other spins, and takes a processor from whoever else needs it.
    {**MALLOC, "OMP_WAIT_POLICY": "PASSIVE"},
)
