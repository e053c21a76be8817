"""Tuning measures real scoring, changes nothing in the lake, and proposes only what is faster."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from batch_platform.cli.tune import proposal
from batch_platform.errors import ContractError
from batch_platform.predictions import tuning
from batch_platform.predictions.options import ScoringOptions
from batch_platform.predictions.tuning import Trial, tune
from batch_platform_tests.models.registered import Line, commit_features, registered, settings_in
from batch_platform_tests.predictions.tables import predictions_of, visits


class SlowPerCall(Line):
    """Takes its time for each call, however many rows it gets."""

    def predict(self, batch: pa.RecordBatch | pa.Table) -> Any:
        time.sleep(0.004)
        return super().predict(batch)


@pytest.mark.slow
def test_a_model_that_is_slow_per_call_is_proposed_larger_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_in(tmp_path)
    commit_features(settings.lake, {"2026-01-05": visits(0), "2026-01-04": visits(700)})
    registered(settings, SlowPerCall(0.5))
    monkeypatch.setattr(tuning, "_ROUNDS", 1)
    predictions = predictions_of(scoring=ScoringOptions(batch_rows=512, workers=1), version="champion")
    told: list[Trial] = []
    before = sorted(path for path in Path(settings.lake.root).rglob("*"))
    found = tune(predictions, settings, told.append, 20_000)
    assert (found.partition, found.rows, tuple(told)) == ("2026-01-04", 20_000, found.trials)
    assert found.proposal.batch_rows >= 8192
    assert found.trials[0].options == found.present == predictions.scoring
    assert all(trial.rows_per_second > 0 and trial.cpu_seconds > 0 for trial in found.trials)
    assert sorted(path for path in Path(settings.lake.root).rglob("*")) == before


def test_without_features_there_is_nothing_to_measure(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with pytest.raises(ContractError, match="no feature partition has rows"):
        tune(predictions_of(), settings, lambda _: None)


def test_a_proposal_is_yaml_of_what_differs() -> None:
    present = ScoringOptions()
    assert proposal(present, replace(present, workers=4, shard_rows=65_536)) == (
        "scoring: {workers: 4, shard_rows: 65536}"
    )
    assert "last bits" in proposal(present, replace(present, batch_rows=8192))
    assert proposal(present, present).startswith("Nothing is faster")
