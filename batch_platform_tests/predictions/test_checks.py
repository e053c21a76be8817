"""Each check of a prediction partition fails on what it is there for, and on nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from batch_platform.lake.provenance import Ledger
from batch_platform.models.registry import Version
from batch_platform.predictions.checks import prediction_checks
from batch_platform.predictions.definition import CHECKS
from batch_platform_tests.predictions.tables import predictions_of

VERSION = Version("visits", "2", "d" * 32, "w", datetime(2026, 1, 1, tzinfo=UTC), True)


def failing(visits: list[int], scores: list[float], versions: list[str], **outcomes: int) -> list[str]:
    rows = pa.table(
        {
            "visit": pa.array(visits, pa.int64()),
            "chance": pa.array(scores, pa.float32()),
            "_model_version": pa.array(versions, pa.string()),
        }
    )
    total = outcomes.pop("rows", len(visits))
    ledger = Ledger(total, {"scored": len(visits), "reused": 0, "failed": 0, **outcomes})
    checks = prediction_checks(predictions_of(), rows, ledger, VERSION)
    assert [check.name for check in checks] == list(CHECKS)
    return [check.name for check in checks if not check.passed]


def test_good_and_empty_partitions_pass() -> None:
    assert failing([1, 2], [0.0, 1.0], ["2", "2"]) == []
    assert failing([], [], []) == []
    assert failing([1, 2], [0.5, 0.5], ["2", "2"], rows=5, failed=3) == []
    assert failing([1, 2], [0.5, 0.5], ["2", "2"], scored=1, reused=1) == []


@pytest.mark.parametrize("outcomes", [{"rows": 3}, {"failed": 1}, {"rows": 3, "scored": 3}, {"failed": -1, "rows": 1}])
def test_a_ledger_that_does_not_balance_or_does_not_match_the_files_fails(outcomes: dict[str, int]) -> None:
    assert failing([1, 2], [0.5, 0.5], ["2", "2"], **outcomes) == ["ledger"]


def test_repeated_keys_fail() -> None:
    assert failing([1, 2, 1], [0.5] * 3, ["2"] * 3) == ["key_is_unique"]


@pytest.mark.parametrize("score", [-0.0001, 1.0001, float("nan"), float("inf"), float("-inf")])
def test_scores_that_are_no_probabilities_fail(score: float) -> None:
    assert failing([1, 2], [0.5, score], ["2", "2"]) == ["scores_in_range"]


@pytest.mark.parametrize("versions", [["1", "1"], ["1", "2"]])
def test_rows_of_another_version_fail(versions: list[str]) -> None:
    assert failing([1, 2], [0.5, 0.5], versions) == ["model_as_expected"]
