"""Measuring which batch size, number of workers and shard size suit a model and a machine, on real features.

Belongs here: the trials and what follows from them. Does not belong here: showing them (`cli/tune.py`), or changing a
declaration, which a person does.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import pyarrow as pa

from batch_platform.engines import engine_named
from batch_platform.engines.local import processors
from batch_platform.errors import ContractError
from batch_platform.lake.log import live_rows
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.models.registry import Registry
from batch_platform.models.runtimes.loading import ModelSource, load_runtime
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.predictions.budget import workers_for
from batch_platform.predictions.definition import Predictions
from batch_platform.predictions.mapping import worker_kind
from batch_platform.predictions.options import ScoringOptions
from batch_platform.predictions.planning import serving_version
from batch_platform.predictions.reader import feature_file
from batch_platform.predictions.scorer import Serving, ShardScorer
from batch_platform.predictions.shards import cut
from batch_platform.settings import Settings

WORTH_IT = 1.05
"""By how much a setting must be faster than the present one to be proposed: less is noise."""

ROWS = 500_000
_BATCHES = (512, 1024, 2048, 4096, 8192, 16_384, 32_768)
_SHARDS = (65_536, 131_072, 262_144, 524_288)
_ROUNDS = 3


@dataclass(frozen=True)
class Trial:
    """One setting, measured.

    Args:
        options: the setting.
        rows_per_second: median of its rounds, from features on the disk to files of predictions.
        cpu_seconds: processor time for a million rows.
    """

    options: ScoringOptions
    rows_per_second: float
    cpu_seconds: float


@dataclass(frozen=True)
class Tuning:
    """All trials, in their order, and the setting that follows.

    Args:
        partition: whose features were scored.
        rows: how many rows that were.
        present: the setting that is declared.
        trials: the present setting first.
        proposal: the present setting with what is faster by `WORTH_IT` and more.
    """

    partition: str
    rows: int
    present: ScoringOptions
    trials: tuple[Trial, ...]
    proposal: ScoringOptions


def tune(predictions: Predictions, settings: Settings, tell: Callable[[Trial], None], rows: int = ROWS) -> Tuning:
    """Measure settings one after the other: the best batch size, with it the best workers, with both the best shards.

    The newest feature partition that has rows is scored by the version that serves it, in a temporary folder; a small
    one is repeated until it has `rows` rows. Nothing in the lake changes.

    Args:
        predictions: the table.
        settings: where things lie.
        tell: called after each trial.
        rows: rows of each trial.

    Raises:
        ContractError: no feature partition has rows.
        BatchPlatformError: the model cannot be had or fails.
    """
    key, sample = _sample(predictions, settings, rows)
    registry = Registry(settings)
    version = serving_version(predictions, registry.versions(predictions.registered_model), key)
    with tempfile.TemporaryDirectory(prefix="tune-") as folder:
        spill = Path(folder) / "spill"
        path = _laid_out(Lake(folder), predictions.features, key, sample, spill)
        bench = _Bench(predictions, Lake(folder), key, path, sample.num_rows, registry.source(version), spill)
        best = bench.measured(predictions.scoring)
        trials = [best]
        tell(best)
        for candidates in (_batches, _workers, _shards):
            for options in candidates(best.options):
                trial = bench.measured(options)
                trials.append(trial)
                tell(trial)
                if trial.rows_per_second >= WORTH_IT * best.rows_per_second:
                    best = trial
    return Tuning(key, sample.num_rows, predictions.scoring, tuple(trials), best.options)


def _batches(options: ScoringOptions) -> Iterator[ScoringOptions]:
    yield from (replace(options, batch_rows=size) for size in _BATCHES if size != options.batch_rows)


def _workers(options: ScoringOptions) -> Iterator[ScoringOptions]:
    most = processors()
    for workers in sorted({1, max(1, most // 2), most, most + most // 2}):
        if workers != (options.workers or most):
            yield replace(options, workers=workers)


def _shards(options: ScoringOptions) -> Iterator[ScoringOptions]:
    yield from (replace(options, shard_rows=size) for size in _SHARDS if size != options.shard_rows)


def _laid_out(lake: Lake, table: str, key: str, sample: pa.Table, spill: Path) -> str:
    """Write the features as one file, with the row groups that a real one has."""
    writer = Table(lake, table).writer(key, spill)
    writer.add(sample)
    return writer.finish().path


@dataclass(frozen=True)
class _Bench:
    predictions: Predictions
    lake: Lake
    key: str
    path: str
    rows: int
    source: ModelSource
    spill: Path

    def measured(self, options: ScoringOptions) -> Trial:
        """One setting, several times; a first time that is not counted loads the model."""
        load_runtime(self.source, options.batch_rows, options.device, self.predictions.columns)
        found = [self._once(options) for _ in range(_ROUNDS)]
        seconds, cpu = (median(values) for values in zip(*found, strict=True))
        return Trial(options, self.rows / seconds, cpu / self.rows * 1e6)

    def _once(self, options: ScoringOptions) -> tuple[float, float]:
        predictions, rows = replace(self.predictions, scoring=options, reuse=None), self.rows
        file = feature_file(self.lake, predictions.features, self.path, rows, options.shard_rows)
        shards = cut(self.key, [file], ("tuning",), options.shard_rows)
        scorer = ShardScorer(predictions, self.lake, {self.key: Serving(self.source, "", rows)}, self.spill)
        kind = worker_kind(predictions, shards, [self.source])
        workers = workers_for(predictions, self.lake, shards, kind, [self.source])
        engine = engine_named(predictions.engine, workers=workers, kind=kind)
        wall, cpu = time.perf_counter(), _cpu_seconds()
        for _ in engine.map(scorer, shards):
            pass
        return time.perf_counter() - wall, _cpu_seconds() - cpu


def _cpu_seconds() -> float:
    """Processor time of this process, and of worker processes that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _sample(predictions: Predictions, settings: Settings, rows: int) -> tuple[str, pa.Table]:
    """The newest feature partition with rows, cut or repeated to `rows` rows."""
    table = Table(settings.lake, predictions.features)
    opened = table.open()
    counted = {} if opened is None else {key: sum(n for _, n in files) for key, files in live_rows(opened).items()}
    filled = [key for key, count in counted.items() if count]
    if not filled:
        raise ContractError("no feature partition has rows", where=predictions.features, fix="materialize one first")
    found = table.read([max(filled)])
    found = found.select([name for name in found.column_names if name != PARTITION_COLUMN])
    times = -(-rows // found.num_rows)
    return max(filled), pa.concat_tables([found] * times).slice(0, rows).combine_chunks()
