"""Spark: a DataFrame from Parquet, `mapInArrow` with the model held by each Python worker, written as Parquet."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from batch_platform_tests.benchmarks.scoring_parts.contender import MALLOC, SCORE, WORKERS, Contender, Work, eager_model
from batch_platform_tests.benchmarks.scoring_parts.job import COLUMNS, KEY, Job

BATCH_ROWS = 65_536
PARTITION_BYTES = 32 << 20
DRIVER_MEMORY = "3g"

_CONFIGURATION = {
    "spark.driver.memory": DRIVER_MEMORY,
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH_ROWS),
    "spark.sql.files.maxPartitionBytes": str(PARTITION_BYTES),
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.python.worker.reuse": "true",
    "spark.sql.adaptive.enabled": "false",
}


@contextmanager
def _ready(job: Job) -> Iterator[Work]:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    target = job.target("spark")
    shutil.rmtree(target, ignore_errors=True)
    builder = SparkSession.builder.master(f"local[{WORKERS}]").appName("scoring")
    for name, value in {**_CONFIGURATION, "spark.local.dir": str(job.folder)}.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    # The Python workers that live on import torch and load the model before the work begins.
    session.range(0, WORKERS, numPartitions=WORKERS).mapInArrow(partial(_warm, str(job.model)), "id bigint").collect()
    try:
        yield partial(_score, session, job, target)
    finally:
        session.stop()


def _score(session: Any, job: Job, target: Path) -> Mapping[str, float]:
    rows = session.read.parquet(*job.files).select(KEY, *COLUMNS)
    scored = rows.mapInArrow(partial(_scored, str(job.model)), f"{KEY} bigint, {SCORE} float")
    scored.write.parquet(str(target))
    return {}


def _warm(folder: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    eager_model(Path(folder))
    yield from batches


def _scored(folder: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    model = eager_model(Path(folder))
    for batch in batches:
        columns = [batch.column(KEY), pa.array(model.predict(batch))]
        yield pa.RecordBatch.from_arrays(columns, names=[KEY, SCORE])


CONTENDER = Contender(
    "Spark mapInArrow",
    f"local[{WORKERS}], Arrow batches of {BATCH_ROWS} rows, partitions of {PARTITION_BYTES >> 20} MiB, the model "
    f"loaded by each Python worker with one torch thread before the clock starts, {DRIVER_MEMORY} for the driver",
    _ready,
    ("pyspark",),
    MALLOC,
)
