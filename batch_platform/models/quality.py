"""How good scores are: metrics, simple models to compare with, and the picture of calibration.

Pure functions of labels and scores or of tables. What to do about a poor score is decided in `gate.py`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from batch_platform.errors import ModelError
from batch_platform.models.encoding import CategoricalEncoding, NumericEncoding
from batch_platform.models.feature_kinds import feature_kinds
from batch_platform.models.task import TrainingTask

CALIBRATION_BINS = 10
_LARGEST_CATEGORY_COUNT = 254
_RARE_LEVEL_ROWS = 50


@dataclass(frozen=True)
class CalibrationBin:
    """Rows with neighboring scores: `observed_rate` is the share of them with label 1."""

    rows: int
    lowest_score: float
    highest_score: float
    mean_score: float
    observed_rate: float


@dataclass(frozen=True)
class Quality:
    """How well scores predicted labels.

    Attributes:
        rows: how many were evaluated.
        base_rate: the share of label 1.
        roc_auc: probability that a row with label 1 scores above one with label 0; None if one class is absent.
        log_loss: mean negative log likelihood, in nats.
        brier: mean squared error of the scores.
        calibration_error: expected calibration error, the mean over rows of |mean score - observed rate| of
            the row's bin (Naeini et al., "Obtaining Well Calibrated Probabilities", 2015), in equal-count bins.
        calibration_bins: the bins in order of score; up to 10, fewer where many scores are equal.
    """

    rows: int
    base_rate: float
    roc_auc: float | None
    log_loss: float
    brier: float
    calibration_error: float
    calibration_bins: tuple[CalibrationBin, ...]


def evaluate(labels: NDArray[np.generic], scores: NDArray[np.generic]) -> Quality:
    """Measure probabilities `scores` (rows,) against `labels` (rows,) of 0 and 1.

    Raises:
        ModelError: no rows, different lengths, labels other than 0 and 1, or scores outside 0..1.
    """
    truth, score = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if truth.shape != score.shape or truth.ndim != 1 or truth.size == 0:
        raise ModelError(f"cannot evaluate {score.shape} scores against {truth.shape} labels")
    if not np.isin(truth, (0.0, 1.0)).all():
        raise ModelError("cannot evaluate against labels other than 0 and 1")
    if not ((score >= 0) & (score <= 1)).all():
        raise ModelError("cannot evaluate scores that are not probabilities between 0 and 1")
    bins = _calibration_bins(truth, score)
    both_classes = 0 < truth.mean() < 1
    return Quality(
        rows=truth.size,
        base_rate=float(truth.mean()),
        roc_auc=float(roc_auc_score(truth, score)) if both_classes else None,
        log_loss=float(log_loss(truth, score, labels=[0.0, 1.0])),
        brier=float(brier_score_loss(truth, score, pos_label=1.0)),
        calibration_error=sum(bin.rows * abs(bin.mean_score - bin.observed_rate) for bin in bins) / truth.size,
        calibration_bins=bins,
    )


def _calibration_bins(truth: NDArray[np.float64], score: NDArray[np.float64]) -> tuple[CalibrationBin, ...]:
    """Equal-count bins by score; equal scores share a bin, so that the order of rows does not matter."""
    inner_edges = np.quantile(score, np.linspace(0, 1, CALIBRATION_BINS + 1))[1:-1]
    bin_of_row = np.searchsorted(np.unique(inner_edges), score, side="left")
    members = [bin_of_row == index for index in np.unique(bin_of_row)]
    return tuple(
        CalibrationBin(
            rows=int(member.sum()),
            lowest_score=float(score[member].min()),
            highest_score=float(score[member].max()),
            mean_score=float(score[member].mean()),
            observed_rate=float(truth[member].mean()),
        )
        for member in members
    )


def base_rate_scores(train_labels: NDArray[np.generic], rows: int) -> NDArray[np.float64]:
    """The training labels' mean for every one of `rows` rows: what is known without any feature."""
    return np.full(rows, float(np.mean(train_labels.astype(np.float64))))


def logistic_regression_scores(train: pa.Table, test: pa.Table, task: TrainingTask) -> NDArray[np.float64]:
    """Scores (rows of `test`,) of a logistic regression on standardised numbers and one-hot categories.

    A missing number is the column's mean, with an indicator for each column that has gaps in `train`. Fitted by
    Newton's method, which suits many rows and few columns. In double precision: the levels of a category add up
    to one, and so little penalty leaves a Hessian that single precision cannot factorise.
    """
    from sklearn.linear_model import LogisticRegression

    numeric, categorical = _encodings(train, task)
    gaps = np.isnan(numeric.standardise(train)).any(axis=0)

    def design(table: pa.Table) -> NDArray[np.float64]:
        values = numeric.standardise(table)
        missing = np.isnan(values)
        one_hot = [
            np.eye(len(levels) + 1)[codes]
            for levels, codes in zip(categorical.levels, categorical.codes(table).T, strict=True)
        ]
        return np.hstack([np.where(missing, 0.0, values), missing[:, gaps], *one_hot])

    model = LogisticRegression(solver="newton-cholesky").fit(design(train), task.labels(train))
    scores: NDArray[np.float64] = model.predict_proba(design(test))[:, 1]
    return scores


def gradient_boosting_scores(train: pa.Table, test: pa.Table, task: TrainingTask) -> NDArray[np.float64]:
    """Scores (rows of `test`,) of scikit-learn's histogram gradient boosting: the usual mark for tables."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    numeric, categorical = _encodings(train, task)

    def design(table: pa.Table) -> NDArray[np.float64]:
        return np.hstack([numeric.standardise(table), categorical.codes(table)])

    few_levels = [len(levels) <= _LARGEST_CATEGORY_COUNT for levels in categorical.levels]
    model = HistGradientBoostingClassifier(
        max_iter=150,
        learning_rate=0.06,
        min_samples_leaf=200,
        l2_regularization=10.0,
        early_stopping=False,
        categorical_features=[*[False] * len(numeric.names), *few_levels],
        random_state=task.seed,
    ).fit(design(train), task.labels(train))
    scores: NDArray[np.float64] = model.predict_proba(design(test))[:, 1]
    return scores


def _encodings(train: pa.Table, task: TrainingTask) -> tuple[NumericEncoding, CategoricalEncoding]:
    numeric, categorical = feature_kinds(train.schema, task.features)
    return (
        NumericEncoding.fit(train, numeric, bins=1),
        CategoricalEncoding.fit(train, categorical, minimum_rows=min(_RARE_LEVEL_ROWS, train.num_rows // 20)),
    )


def calibration_plot(qualities: Mapping[str, Quality]) -> bytes:
    """A reliability diagram, one line for each named quality, as the bytes of a PNG of 560 x 420 pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 4.2), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    limit = max(
        (max(bin.mean_score, bin.observed_rate) for q in qualities.values() for bin in q.calibration_bins),
        default=1.0,
    )
    limit = min(1.0, limit * 1.05)
    axes.plot([0, limit], [0, limit], color="0.7", linewidth=1, linestyle="--", label="perfect")
    for name, quality in qualities.items():
        axes.plot(
            [bin.mean_score for bin in quality.calibration_bins],
            [bin.observed_rate for bin in quality.calibration_bins],
            marker="o",
            markersize=4,
            linewidth=1.5,
            label=f"{name} (error {quality.calibration_error:.3f})",
        )
    axes.set(xlim=(0, limit), ylim=(0, limit), xlabel="mean score", ylabel="observed rate")
    axes.set_title("Calibration", loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.92", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()
