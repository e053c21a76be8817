"""How trained versions are reported: one outcome per window, with figures beside baselines, calibration, checks."""

from __future__ import annotations

from collections.abc import Sequence

from batch_platform.errors import BatchPlatformError
from batch_platform.models.definition import ModelDefinition
from batch_platform.models.quality import Quality, calibration_plot
from batch_platform.models.training import TrainedVersion, train_version
from batch_platform.outcomes import CheckOutcome, Markdown, PartitionOutcome, Run
from batch_platform.settings import Settings
from batch_platform.telemetry.cost import Meter


def train_versions(
    definition: ModelDefinition, settings: Settings, keys: Sequence[str], run: Run
) -> list[PartitionOutcome]:
    """Train one version for each window, oldest first; one that fails does not stop the others.

    Args:
        definition: the model.
        settings: where lake and registry are, and what processor time costs; each window is metered by itself.
        keys: the windows.
        run: on whose behalf.

    Raises:
        BatchPlatformError: one that may pass, such as a registry out of reach, so that the run is tried again;
            windows trained so far are registered, and training them again registers nothing new.
    """
    outcomes = []
    for key in sorted(keys):
        try:
            definition.calendar.window(key)
            meter = Meter(settings.dollars_per_cpu_hour)
            outcomes.append(outcome_of(key, train_version(definition, settings, key, run, meter), run, meter))
        except BatchPlatformError as error:
            if error.transient:
                raise
            outcomes.append(PartitionOutcome(key, error=error))
    return outcomes


def outcome_of(key: str, trained: TrainedVersion, run: Run, meter: Meter) -> PartitionOutcome:
    """The outcome that the UI and the command line show for one trained version."""
    version, windows = trained.version, trained.windows
    registered = f"version {version.number}, digest {version.digest[:12]}"
    champion = f"version {trained.champion.number}" if trained.champion else "none before this one"
    return PartitionOutcome(
        key,
        digest=version.digest,
        rows=trained.training_rows,
        metadata={
            "version": version.number,
            "promoted": trained.promoted,
            "serves": key,
            "trained_on": f"{windows.training[0]} to {windows.training[-1]}, {trained.training_rows} rows",
            "evaluated_on": f"{windows.holdout[0]} to {windows.holdout[-1]}",
            "earlier_champion": champion,
            "epochs": trained.epochs,
            "engine": run.engine,
            "seconds": meter.seconds,
            "cost_dollars": meter.dollars,
            "package_version": trained.parameters["package_version"],
            "git_commit": trained.parameters["git_commit"],
            "quality": Markdown(quality_table(trained)),
            "calibration": Markdown.picture(calibration_plot(trained.qualities), "calibration on the holdout"),
        },
        checks=(
            CheckOutcome("reloads", trained.reloaded, trained.unlike or registered),
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
