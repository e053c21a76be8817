"""How trained versions are reported: one outcome per window, with figures beside baselines, calibration, checks."""

from __future__ import annotations

from collections.abc import Sequence

from batch_platform.errors import BatchPlatformError
from batch_platform.models.definition import ModelDefinition
from batch_platform.models.quality import Quality, calibration_plot
from batch_platform.models.training import TrainedVersion, train_version
from batch_platform.outcomes import CheckOutcome, Markdown, PartitionOutcome
from batch_platform.settings import Settings
from batch_platform.telemetry.cost import Meter


def train_versions(
    definition: ModelDefinition, settings: Settings, keys: Sequence[str], meter: Meter
) -> list[PartitionOutcome]:
    """Train one version for each window, oldest first; one that fails does not stop the others."""
    outcomes = []
    for key in sorted(keys):
        try:
            definition.calendar.window(key)
            outcomes.append(outcome_of(key, train_version(definition, settings, key), meter))
        except BatchPlatformError as error:
            outcomes.append(PartitionOutcome(key, error=error))
    return outcomes


def outcome_of(key: str, trained: TrainedVersion, meter: Meter) -> PartitionOutcome:
    """The outcome that the UI and the command line show for one trained version."""
    version, windows = trained.version, trained.windows
    champion = f"version {trained.champion.number}" if trained.champion else "none before this one"
    return PartitionOutcome(
        key,
        digest=version.digest,
        rows=trained.training_rows,
        metadata={
            "version": version.number,
            "promoted": trained.verdict.passed,
            "serves": key,
            "trained_on": f"{windows.training[0]} to {windows.training[-1]}, {trained.training_rows} rows",
            "evaluated_on": f"{windows.holdout[0]} to {windows.holdout[-1]}",
            "earlier_champion": champion,
            "epochs": trained.epochs,
            "seconds": meter.seconds,
            "quality": Markdown(quality_table(trained)),
            "calibration": Markdown.picture(calibration_plot(trained.qualities), "calibration on the holdout"),
        },
        checks=(
            CheckOutcome("reloads", trained.reloaded, f"version {version.number}, digest {version.digest[:12]}"),
            CheckOutcome("gate", trained.verdict.passed, "; ".join(trained.verdict.comparisons) or "no thresholds"),
        ),
    )


def quality_table(trained: TrainedVersion) -> str:
    """The figures as a Markdown table."""
    lines = ["| | ROC AUC | log loss | Brier | calibration error |", "|---|---|---|---|---|"]
    lines += [f"| {name} | {' | '.join(figures(quality))} |" for name, quality in trained.qualities.items()]
    return "\n".join(lines)


def figures(quality: Quality) -> list[str]:
    """ROC AUC, log loss, Brier score and calibration error, as text."""
    area = "n/a" if quality.roc_auc is None else f"{quality.roc_auc:.3f}"
    return [area, f"{quality.log_loss:.4f}", f"{quality.brier:.4f}", f"{quality.calibration_error:.4f}"]
