"""Metrics are those of the definitions, do not depend on the order of rows, and refuse what is no probability."""

from __future__ import annotations

import math
import struct
import sys
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform.errors import ModelError
from batch_platform.models.quality import (
    base_rate_scores,
    calibration_plot,
    evaluate,
    gradient_boosting_scores,
    logistic_regression_scores,
)
from batch_platform.models.task import TrainingTask

TASK = TrainingTask(("x", "group"), label="y", time="day", seed=3)


def rows_of_table(rows: int, seed: int = 0) -> pa.Table:
    """Rows whose chance of label 1 depends on a number (linearly, in the logit) and on a group."""
    random = np.random.default_rng(seed)
    x, group = random.normal(size=rows), random.choice(["a", "b"], size=rows)
    chance = 1 / (1 + np.exp(-(x + np.where(group == "a", 1.0, -1.0))))
    numbers = np.where(random.random(rows) < 0.1, np.nan, x)
    return pa.table(
        {
            "x": pa.array(numbers, from_pandas=True),
            "group": group.tolist(),
            "day": [f"2026-01-{1 + index * 28 // rows:02d}" for index in range(rows)],
            "y": random.random(rows) < chance,
        }
    )


def test_metrics_of_a_worked_example() -> None:
    labels, scores = np.array([0, 1, 1, 0]), np.array([0.1, 0.8, 0.4, 0.6])
    quality = evaluate(labels, scores)
    assert (quality.rows, quality.base_rate) == (4, 0.5)
    assert quality.roc_auc == 0.75
    expected = -(math.log(0.9) + math.log(0.8) + math.log(0.4) + math.log(0.4)) / 4
    assert quality.log_loss == pytest.approx(expected)
    assert quality.brier == pytest.approx((0.01 + 0.04 + 0.36 + 0.36) / 4)
    assert quality.calibration_error == pytest.approx((0.1 + 0.2 + 0.6 + 0.6) / 4)


def test_calibrated_scores_have_little_calibration_error_and_bold_ones_much() -> None:
    random = np.random.default_rng(0)
    chance = random.random(20_000)
    labels = random.random(20_000) < chance
    calibrated, bold = evaluate(labels, chance), evaluate(labels, np.where(chance > 0.5, 0.99, 0.01))
    assert calibrated.calibration_error < 0.02
    assert bold.calibration_error > 0.2
    assert [bin.rows for bin in calibrated.calibration_bins] == [2000] * 10


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0])), min_size=1, max_size=50))
def test_the_order_of_rows_does_not_matter_and_every_row_is_in_a_bin(pairs: list[tuple[bool, float]]) -> None:
    labels, scores = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    quality, reversed_quality = evaluate(labels, scores), evaluate(labels[::-1], scores[::-1])
    assert sum(bin.rows for bin in quality.calibration_bins) == quality.rows
    assert quality.calibration_error == pytest.approx(reversed_quality.calibration_error, abs=1e-12)
    assert quality.roc_auc == pytest.approx(reversed_quality.roc_auc, abs=1e-12)
    edges = [(bin.lowest_score, bin.highest_score) for bin in quality.calibration_bins]
    assert all(low[1] < high[0] for low, high in pairwise(edges))


def test_one_class_has_no_roc_auc_but_the_rest() -> None:
    quality = evaluate(np.zeros(10), np.full(10, 0.25))
    assert quality.roc_auc is None
    assert quality.log_loss == pytest.approx(-math.log(0.75))
    assert quality.calibration_error == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("labels", "scores"),
    [
        ([], []),
        ([0, 1], [0.5]),
        ([0, 2], [0.5, 0.5]),
        ([0, 1], [0.5, 1.5]),
        ([0, 1], [0.5, float("nan")]),
    ],
)
def test_what_cannot_be_evaluated_is_refused(labels: list[float], scores: list[float]) -> None:
    with pytest.raises(ModelError):
        evaluate(np.array(labels), np.array(scores))


def test_baselines_rank_as_they_should_and_are_reproducible() -> None:
    train, test = rows_of_table(4000), rows_of_table(2000, seed=1)
    labels = TASK.labels(test)
    base = evaluate(labels, base_rate_scores(TASK.labels(train), test.num_rows))
    assert base.roc_auc == 0.5
    assert len(base.calibration_bins) == 1
    for scores_of in (logistic_regression_scores, gradient_boosting_scores):
        scores = scores_of(train, test, TASK)
        quality = evaluate(labels, scores)
        assert quality.roc_auc is not None
        assert quality.roc_auc > 0.75
        assert quality.log_loss < base.log_loss - 0.1
        assert quality.calibration_error < 0.05
        assert np.array_equal(scores_of(train, test, TASK), scores)


def test_baselines_accept_unseen_levels_and_gaps() -> None:
    train, test = rows_of_table(1000), rows_of_table(50, seed=1)
    odd = test.set_column(1, "group", pa.array(["new", None] * 25)).set_column(0, "x", pa.nulls(50, pa.float64()))
    for scores_of in (logistic_regression_scores, gradient_boosting_scores):
        assert np.isfinite(scores_of(train, odd, TASK)).all()


def test_the_calibration_plot_is_a_png_of_its_size_without_pyplot() -> None:
    pyplot_before = "matplotlib.pyplot" in sys.modules
    random = np.random.default_rng(0)
    scores = random.random(500)
    qualities = {
        "champion": evaluate(random.random(500) < scores, scores),
        "flat": evaluate(scores > 0.5, np.full(500, 0.5)),
    }
    picture = calibration_plot(qualities)
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", picture[16:24]) == (560, 420)
    assert calibration_plot(qualities) == picture
    assert calibration_plot({}).startswith(b"\x89PNG")
    assert ("matplotlib.pyplot" in sys.modules) == pyplot_before
