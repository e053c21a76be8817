"""The platform's own path: from features in the lake to committed predictions, as a Dagster step would run it.

Belongs here: the declaration of the prediction table, and one call of `score`. Nothing is set that a user's process
would not have.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from batch_platform.contracts.contract import Contract
from batch_platform.lake.store import Lake
from batch_platform.outcomes import Run
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.predictions.definition import Predictions
from batch_platform.predictions.score import score
from batch_platform.settings import Settings
from batch_platform.telemetry.cost import Meter
from batch_platform_tests.benchmarks.scoring_parts.contender import SCORE, Contender, Work
from batch_platform_tests.benchmarks.scoring_parts.job import (
    COLUMNS,
    FEATURES,
    KEY,
    LEVELS,
    MODEL,
    NUMBERS,
    PARTITION,
    PREDICTIONS,
    Job,
)
from batch_platform_tests.contracts.declared import load_contracts


def _contract() -> Contract:
    lines = [f"      - {{name: {KEY}, data_type: BIGINT, meta: {{role: key}}, data_tests: [not_null]}}"]
    lines += [f"      - {{name: {name}, data_type: FLOAT, meta: {{role: feature}}}}" for name in NUMBERS]
    lines += [f"      - {{name: {name}, data_type: VARCHAR, meta: {{role: feature}}}}" for name in LEVELS]
    lines += ["      - {name: happened_at, data_type: TIMESTAMPTZ, meta: {role: carried}}"]
    head = "version: 2\nmodels:\n  - name: bench_features\n    description: Drawn rows.\n    columns:\n"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "schema.yml").write_text(head + "\n".join(lines) + "\n", "utf-8")
        return load_contracts(Path(folder))["bench_features"]


def predictions() -> Predictions:
    """`predictions/bench`: the key and the score of every row, and where they come from."""
    return Predictions(
        name=PREDICTIONS.removeprefix("predictions/"),
        features=FEATURES,
        contract=_contract(),
        key=(KEY,),
        calendar=Calendar(Cadence.DAILY, "2026-01-01"),
        known_at=Offset.parse("-1d 18:00"),
        registered_model=MODEL,
        version="as_of",
        outputs={SCORE: "score"},
        carry=(),
        engine="local",
        columns=COLUMNS,
    )


@contextmanager
def _ready(job: Job) -> Iterator[Work]:
    table = predictions()
    for name in (table.table, table.quarantine):
        shutil.rmtree(job.lake / name, ignore_errors=True)
    yield partial(_score, table, job)


def _score(table: Predictions, job: Job) -> Mapping[str, float]:
    settings = Settings(job.folder, Lake(str(job.lake)), job.registry, str(job.artifacts))
    [outcome] = score(table, settings, [PARTITION], Run("benchmark"), Meter(settings.dollars_per_cpu_hour))
    if outcome.error is not None:
        raise outcome.error
    return {}


CONTENDER = Contender("governed path", "defaults: nothing is tuned by hand", _ready)
