"""The gate compares figures with every kind of threshold, at their boundaries, with and without a champion."""

from __future__ import annotations

from typing import Any

import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.models.gate import HIGHER_IS_BETTER, Threshold, judge

FIGURES = {"roc_auc": 0.75, "log_loss": 0.5, "brier": 0.25, "calibration_error": 0.125}
NAN = float("nan")


@pytest.mark.parametrize(
    ("metric", "bounds", "champion", "passes"),
    [
        ("roc_auc", {"at_least": 0.75}, None, True),
        ("roc_auc", {"at_least": 0.7500001}, None, False),
        ("roc_auc", {"at_least": 0.0}, None, True),
        ("log_loss", {"at_most": 0.5}, None, True),
        ("log_loss", {"at_most": 0.4999999}, None, False),
        ("log_loss", {"at_most": 0.0}, None, False),
        ("brier", {"at_least": 0.25, "at_most": 0.25}, None, True),
        ("brier", {"at_least": 0.26, "at_most": 0.3}, None, False),
        ("brier", {"at_least": 0.1, "at_most": 0.2}, None, False),
        ("roc_auc", {"gain_over_champion": 0.25}, 0.5, True),
        ("roc_auc", {"gain_over_champion": 0.25}, 0.501, False),
        ("roc_auc", {"gain_over_champion": 0.0}, 0.75, True),
        ("roc_auc", {"gain_over_champion": -0.125}, 0.875, True),
        ("roc_auc", {"gain_over_champion": -0.125}, 0.876, False),
        ("log_loss", {"gain_over_champion": 0.25}, 0.75, True),
        ("log_loss", {"gain_over_champion": 0.0}, 0.49, False),
        ("calibration_error", {"gain_over_champion": -0.125}, 0.0, True),
        ("roc_auc", {"gain_over_champion": 9.0}, None, True),
        ("roc_auc", {"at_least": 0.5, "gain_over_champion": 0.5}, 0.75, False),
        ("roc_auc", {"gain_over_champion": -1.0}, NAN, False),
        ("roc_auc", {}, 0.9, True),
    ],
)
def test_a_threshold_is_met_from_its_boundary_on(
    metric: str, bounds: dict[str, float], champion: float | None, passes: bool
) -> None:
    rival = None if champion is None else {**FIGURES, metric: champion}
    verdict = judge((Threshold(metric, **bounds),), FIGURES, rival)
    assert verdict.passed is passes
    assert any("MISSES" in line for line in verdict.comparisons) is not passes


def test_one_missed_threshold_fails_the_gate_and_every_comparison_is_told() -> None:
    thresholds = (
        Threshold("roc_auc", at_least=0.9, at_most=0.9),
        Threshold("log_loss", at_most=0.6, gain_over_champion=0.0),
    )
    verdict = judge(thresholds, FIGURES, FIGURES)
    assert not verdict.passed
    assert verdict.comparisons == (
        "roc_auc 0.7500 MISSES at least 0.9",
        "roc_auc 0.7500 meets at most 0.9",
        "log_loss 0.5000 meets at most 0.6",
        "log_loss gains +0.0000 over the champion, meets +0",
    )


@pytest.mark.parametrize("bounds", [{"at_least": 0.0}, {"at_most": 1.0}])
def test_a_figure_that_could_not_be_measured_meets_nothing(bounds: dict[str, Any]) -> None:
    assert not judge((Threshold("roc_auc", **bounds),), {**FIGURES, "roc_auc": NAN}, None).passed


def test_without_thresholds_everything_passes() -> None:
    assert judge((), FIGURES, None).passed


def test_unknown_figures_are_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="accuracy"):
        Threshold("accuracy", at_least=0.5)
    for metric in HIGHER_IS_BETTER:
        Threshold(metric)
