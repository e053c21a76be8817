"""Ray Data: `read_parquet`, `map_batches` over actors that hold the model, `write_parquet`."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from batch_platform_tests.benchmarks.scoring_parts.contender import MALLOC, SCORE, WORKERS, Contender, Work, eager_model
from batch_platform_tests.benchmarks.scoring_parts.job import COLUMNS, KEY, Job

BATCH_ROWS = 65_536
STORE_BYTES = 1 << 30
ACTOR_CPUS = 0.5


class Scorer:
    """An actor with the model."""

    def __init__(self, folder: str) -> None:
        self._model = eager_model(Path(folder))

    def __call__(self, batch: pa.Table) -> pa.Table:
        return pa.table({KEY: batch.column(KEY), SCORE: pa.array(self._model.predict(batch))})


@contextmanager
def _ready(job: Job) -> Iterator[Work]:
    import ray
    import ray.data

    target = job.target("ray")
    shutil.rmtree(target, ignore_errors=True)
    ray.init(
        num_cpus=WORKERS,
        object_store_memory=STORE_BYTES,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _temp_dir=str(job.folder / "r"),
    )
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = False
    try:
        yield partial(_score, ray.data, job, target)
    finally:
        ray.shutdown()


def _score(data: Any, job: Job, target: Path) -> Mapping[str, float]:
    rows = data.read_parquet(job.files, columns=[KEY, *COLUMNS])
    scored = rows.map_batches(
        Scorer,
        fn_constructor_args=(str(job.model),),
        batch_size=BATCH_ROWS,
        batch_format="pyarrow",
        zero_copy_batch=True,
        concurrency=WORKERS,
        num_cpus=ACTOR_CPUS,
    )
    scored.write_parquet(str(target), compression="zstd", use_dictionary=False)
    return {}


CONTENDER = Contender(
    "Ray Data",
    f"{WORKERS} actors of {ACTOR_CPUS} CPU with one torch thread each, Arrow batches of {BATCH_ROWS} rows without a "
    f"copy, any order, an object store of {STORE_BYTES >> 20} MiB, no dashboard, no progress bars, malloc keeps memory",
    _ready,
    ("ray",),
    MALLOC,
)
