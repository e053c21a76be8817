"""The promotion gate: figures that a version must reach on its holdout, alone and against the champion.

Belongs here: comparing figures with thresholds. Does not belong here: measuring them (`quality.py`), or acting
on the verdict (`training.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from batch_platform.errors import ConfigurationError

HIGHER_IS_BETTER = {"roc_auc": True, "log_loss": False, "brier": False, "calibration_error": False}


@dataclass(frozen=True)
class Threshold:
    """What one figure must reach.

    Args:
        metric: a name in `HIGHER_IS_BETTER`.
        at_least: lower bound for the figure.
        at_most: upper bound for the figure.
        gain_over_champion: by how much it must be better than the champion's on the same rows; negative allows
            that much loss.
    """

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    gain_over_champion: float | None = None

    def __post_init__(self) -> None:
        if self.metric not in HIGHER_IS_BETTER:
            raise ConfigurationError(
                f"gate: unknown metric {self.metric!r}", fix=f"use one of {', '.join(HIGHER_IS_BETTER)}"
            )


@dataclass(frozen=True)
class GateVerdict:
    """Whether a version may serve, and each comparison in words."""

    passed: bool
    comparisons: tuple[str, ...]


def judge(
    thresholds: tuple[Threshold, ...], figures: Mapping[str, float], champion: Mapping[str, float] | None
) -> GateVerdict:
    """Compare a version's figures with the thresholds; without a champion there is nothing to gain over."""
    passed, lines = True, []
    for threshold in thresholds:
        value = figures[threshold.metric]
        for limit, bound, met in (
            ("at least", threshold.at_least, threshold.at_least is None or value >= threshold.at_least),
            ("at most", threshold.at_most, threshold.at_most is None or value <= threshold.at_most),
        ):
            if bound is not None:
                passed &= met
                lines.append(f"{threshold.metric} {value:.4f} {'meets' if met else 'MISSES'} {limit} {bound:g}")
        if threshold.gain_over_champion is not None and champion is not None:
            direction = 1 if HIGHER_IS_BETTER[threshold.metric] else -1
            gain = direction * (value - champion[threshold.metric]) + 0.0  # no negative zero
            met = gain >= threshold.gain_over_champion
            passed &= met
            lines.append(
                f"{threshold.metric} gains {gain:+.4f} over the champion, "
                f"{'meets' if met else 'MISSES'} {threshold.gain_over_champion:+g}"
            )
    return GateVerdict(passed, tuple(lines))
