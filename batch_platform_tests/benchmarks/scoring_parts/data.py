"""The rows and the model that every contender of the scoring benchmark gets.

Belongs here: drawing rows from a fixed seed, committing them to a lake as the platform does, training and registering
the model. Does not belong here: scoring.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import pyarrow as pa

from batch_platform.lake.commit import replace_partitions
from batch_platform.lake.data_file import ROW_GROUP_ROWS, DataFile
from batch_platform.lake.digest import ContentDigest, digest_table
from batch_platform.lake.provenance import InputRead, Ledger, PartitionRecord, Provenance, Stage
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.models import artifact
from batch_platform.models.registry import Registry
from batch_platform.models.tabular import train
from batch_platform.models.task import TrainingTask
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.settings import Settings
from batch_platform_tests.benchmarks.scoring_parts.job import (
    COLUMNS,
    FEATURES,
    KEY,
    LEVELS,
    MODEL,
    NUMBERS,
    PARTITION,
    Job,
)
from batch_platform_tests.models.registered import settings_in

FILE_ROWS = 16 * ROW_GROUP_ROWS
SEED = 7
_WRITERS = 2
_SAMPLE_SEED, _SAMPLE_DAYS = 8, 20


def drawn(first: int, rows: int, seed: int = SEED) -> pa.Table:
    """The rows from position `first` on: a sorted key, a time, 16 numbers, 3 texts and where they stood in a source.

    A quarter of the numbers are continuous, a quarter amounts with two decimals, a quarter counts, a quarter shares
    with three decimals of which one in fifty is missing: such rows compress as measured ones do.
    """
    random = np.random.default_rng([seed, first])
    position = np.arange(first, first + rows)
    columns: dict[str, pa.Array] = {
        KEY: pa.array(10 * position + random.integers(0, 10, rows)),
        "happened_at": pa.array(
            1_767_571_200_000_000 + position * 700 + random.integers(0, 700, rows), pa.timestamp("us", "UTC")
        ),
    }
    for index, name in enumerate(NUMBERS):
        values, missing = _numbers(index % 4, random, rows)
        columns[name] = pa.array(values.astype(np.float32), mask=missing)
    for name, size in LEVELS.items():
        # Squared: a few levels are frequent, most are rare.
        codes = (random.random(rows, np.float32) ** 2 * size).astype(np.int32)
        missing = random.random(rows) < 0.02 if name == "store" else None
        levels = pa.array([f"{name}-{number:03d}" for number in range(size)])
        columns[name] = pa.DictionaryArray.from_arrays(pa.array(codes, mask=missing), levels).cast(pa.string())
    columns[SOURCE_FILE] = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), ["events.csv"]).cast(pa.string())
    columns[SOURCE_ROW] = pa.array(position + 1)
    return pa.table(columns)


def _numbers(kind: int, random: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray | None]:
    if kind == 0:
        return random.standard_normal(rows, np.float32), None
    if kind == 1:
        return np.round(np.exp(random.standard_normal(rows, np.float32) + 3), 2), None
    if kind == 2:
        return random.poisson(4, rows), None
    return np.round(random.random(rows, np.float32), 3), random.random(rows) < 0.02


def _labels(table: pa.Table, random: np.random.Generator) -> np.ndarray:
    numbers = [np.nan_to_num(table.column(name).to_numpy(zero_copy_only=False)) for name in NUMBERS[:8]]
    scaled = [(values - values.mean()) / values.std() for values in numbers]
    store = table.column("store").combine_chunks().dictionary_encode().indices.fill_null(0).to_numpy()
    logit = scaled[0] + scaled[1] * scaled[2] - np.abs(scaled[4]) + 0.5 * scaled[6] + 0.1 * (store % 7) - 0.5
    chosen: np.ndarray = random.random(len(logit)) < 1 / (1 + np.exp(-logit))
    return chosen


NETWORKS: dict[str, dict[str, object]] = {"default": {}, "small": {"hidden": [128, 64], "bins": 1}}
"""The trainer's options: its defaults (119,000 floating-point operations a row), and a network a quarter as large."""


def prepare(folder: Path, rows: int, sample: int, network: str = "default") -> Job:
    """Commit `rows` rows as one partition, and register a model trained on `sample` others, in an empty folder."""
    settings, job = settings_in(folder), Job(folder)
    _commit(settings.lake, rows)
    _register(settings, job, sample, NETWORKS[network])
    return job


def _commit(lake: Lake, rows: int) -> None:
    target = Table(lake, FEATURES)
    # Small runs, too, have several files.
    file_rows = min(FILE_ROWS, -(-rows // (4 * ROW_GROUP_ROWS)) * ROW_GROUP_ROWS)

    def write(start: int) -> tuple[DataFile, ContentDigest]:
        writer = target.writer(PARTITION, Path(lake.root))
        digests = []
        for first in range(start, min(start + file_rows, rows), ROW_GROUP_ROWS):
            part = drawn(first, min(ROW_GROUP_ROWS, rows - first, start + file_rows - first))
            writer.add(part)
            digests.append(digest_table(part))
        return writer.finish(), reduce(add, digests)

    with ThreadPoolExecutor(_WRITERS) as pool:
        written = list(pool.map(write, range(0, rows, file_rows)))
    digest = reduce(add, [digest for _, digest in written])
    record = PartitionRecord(
        digest.hex,
        Ledger(rows, {"valid": rows, "quarantined": 0}),
        inputs={"snapshots/bench": InputRead(0, "0" * 32)},
    )
    provenance = Provenance(
        Stage.FEATURES, "benchmark", "local", 0.0, 0.0, {PARTITION: record}, sql_digest="none", git_commit="none"
    )
    replace_partitions(target, drawn(0, 1).schema, {PARTITION: [file for file, _ in written]}, provenance)


def _register(settings: Settings, job: Job, sample: int, options: dict[str, object]) -> None:
    random = np.random.default_rng(SEED)
    parts: Sequence[pa.Table] = [
        drawn(first, min(ROW_GROUP_ROWS, sample - first), _SAMPLE_SEED) for first in range(0, sample, ROW_GROUP_ROWS)
    ]
    table = pa.concat_tables(parts).select(COLUMNS)
    days = np.arange(sample) * _SAMPLE_DAYS // sample
    learned = table.append_column("label", pa.array(_labels(table, random))).append_column(
        PARTITION_COLUMN, pa.array([f"2025-12-{day + 1:02d}" for day in days])
    )
    model = train(learned, TrainingTask(COLUMNS, "label", PARTITION_COLUMN, SEED, options))
    artifact.save(model, job.model)
    registry = Registry(settings)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    version = registry.register(
        MODEL, model, table.slice(0, 5), window="2026-01-01", window_start=start, metrics={"brier": 0.1}, parameters={}
    )
    registry.promote(version)
