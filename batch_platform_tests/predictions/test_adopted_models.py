"""Prediction tables score with versions that other tools registered, and refuse those that do not fit beforehand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from batch_platform.lake.table import Table
from batch_platform.models.adoption import adopt
from batch_platform.models.registry import Registry
from batch_platform.models.registry_address import connected
from batch_platform.models.runtimes.scores import ScoreField
from batch_platform.outcomes import PartitionOutcome, Run
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.predictions.score import score
from batch_platform.settings import Settings
from batch_platform.telemetry.cost import Meter
from batch_platform_tests.models.registered import commit_features, settings_in
from batch_platform_tests.predictions.tables import predictions_of, visits

KEY = "2026-01-05"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = settings_in(tmp_path)
    commit_features(settings.lake, {KEY: visits(50)}, files=3)
    return settings


def adopted(settings: Settings, folder: Path, target: str = "distance") -> Any:
    """A gradient-boosted regression of the column `target` on itself, pinned and promoted; returns the booster."""
    import mlflow.xgboost
    import xgboost
    from mlflow.models import infer_signature

    frame = visits(50).select(["distance"]).rename_columns([target]).to_pandas()
    model = xgboost.train({"nthread": 1}, xgboost.DMatrix(frame, visits(50)["distance"].to_numpy()), 3)
    signature = infer_signature(frame, np.zeros(len(frame)))
    mlflow.xgboost.save_model(model, folder, signature=signature, pip_requirements=[])
    client = connected(settings.registry)
    client.create_registered_model("visits")
    client.create_model_version("visits", folder.as_uri())
    version = adopt(settings, "visits", "1", datetime(2026, 1, 1, tzinfo=UTC), allow_code=False)
    Registry(settings).promote(version)
    return model


def scored(settings: Settings, **changes: Any) -> PartitionOutcome:
    return score(predictions_of(**changes), settings, [KEY], Run("run"), Meter(0.04))[0]


@pytest.mark.parametrize("version", ["as_of", "champion", "1"])
def test_an_adopted_version_scores_what_it_would_predict_itself(
    version: str, settings: Settings, tmp_path: Path
) -> None:
    import xgboost

    model = adopted(settings, tmp_path / "booster")
    outcome = scored(settings, version=version, scores=(ScoreField.parse("score", "float"),))
    assert outcome.error is None and all(check.passed for check in outcome.checks)
    rows = Table(settings.lake, "predictions/visits").read([KEY]).drop_columns([PARTITION_COLUMN]).sort_by("visit")
    expected = model.predict(xgboost.DMatrix(visits(50).select(["distance"]).to_pandas()))
    assert rows.column("chance").to_numpy().tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("target", "declared", "reason"),
    [
        ("color", "float", "the model wants DataType.double, the column has the type string"),
        ("speed", "float", "the model reads speed, which the features lack"),
        ("distance", "float[3]", r"the model gave scores of shape \(50,\)|shape .* declared is score: float\[3\]"),
    ],
)
def test_a_model_that_does_not_fit_stores_nothing(
    target: str, declared: str, reason: str, settings: Settings, tmp_path: Path
) -> None:
    adopted(settings, tmp_path / "booster", target)
    outcome = scored(settings, scores=(ScoreField.parse("score", declared),), outputs={"chance": "score"})
    with pytest.raises(Exception, match=reason):
        raise outcome.error or AssertionError("it was scored")
    assert not (tmp_path / "lake" / "predictions" / "visits" / "_delta_log").exists()


def test_an_artifact_that_changed_since_stores_nothing(settings: Settings, tmp_path: Path) -> None:
    adopted(settings, tmp_path / "booster")
    (tmp_path / "booster" / "requirements.txt").write_bytes(b"numpy")
    outcome = scored(settings)
    assert outcome.error is not None
    assert "the artifact's digest is" in str(outcome.error)
