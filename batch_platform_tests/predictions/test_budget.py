"""Workers are as many as fit into the memory that scoring may take, and none is told before anything is read."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from batch_platform.engines import WorkerKind
from batch_platform.errors import ConfigurationError
from batch_platform.lake.store import Lake
from batch_platform.models.runtimes.scores import ScoreField
from batch_platform.predictions.budget import workers_for
from batch_platform.predictions.options import ScoringOptions
from batch_platform_tests.models.registered import Line, commit_features
from batch_platform_tests.predictions.tables import predictions_of, shards_of, source_of, visits

KEY = "2026-01-05"
MIB = 1 << 20


def workers(
    lake: Lake, memory: int, kind: WorkerKind = WorkerKind.THREADS, vector: int | None = None, wanted: int = 16
) -> int:
    commit_features(lake, {KEY: visits(2_000)}, files=20)
    source = source_of(Line(0.5), Path(lake.root) / "model")
    fields = (ScoreField.parse("score", f"float[{vector}]" if vector else "probability"),)
    options = ScoringOptions(workers=wanted, memory=memory)
    predictions = predictions_of(scoring=options, scores=fields)
    return workers_for(predictions, lake, shards_of(lake), kind, [source])


def test_memory_decides_how_many_of_the_wanted_workers_there_are(lake: Lake) -> None:
    assert workers(lake, 10_000 * MIB) == 16
    assert workers(lake, 10_000 * MIB, wanted=3) == 3
    assert workers(lake, 150 * MIB) == 4
    assert workers(lake, 1_100 * MIB, WorkerKind.PROCESSES) == 4


def test_wide_scores_need_more(lake: Lake) -> None:
    assert workers(lake, 150 * MIB, vector=4_000) < workers(lake, 150 * MIB)


def test_a_budget_without_room_for_one_worker_is_refused(lake: Lake) -> None:
    with pytest.raises(
        ConfigurationError, match=r"predictions/visits: scoring.memory allows 100 MiB, .*raise it by \d+"
    ):
        workers(lake, 100 * MIB, WorkerKind.PROCESSES)


def test_a_large_model_counts(lake: Lake, tmp_path: Path) -> None:
    before = workers(lake, 200 * MIB)
    (Path(lake.root) / "model" / "weights").write_bytes(bytes(100 * MIB))
    source = source_of(Line(0.5), Path(lake.root) / "model")
    predictions = predictions_of(scoring=ScoringOptions(workers=16, memory=200 * MIB))
    assert workers_for(predictions, lake, shards_of(lake), WorkerKind.THREADS, [source]) < before
    assert pa.total_allocated_bytes() < 100 * MIB
