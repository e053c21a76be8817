"""Training one model version: the fit, its figures, its gate, the proof that it reloads, its promotion.

Belongs here: the steps from tables to a registered version. Does not belong here: which rows it may see
(`training_rows.py`), the network (`tabular.py`), the figures (`quality.py`), the registry (`registry.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from batch_platform.errors import BatchPlatformError, ModelError, first_line
from batch_platform.models.artifact import Model, resolve
from batch_platform.models.definition import ModelDefinition
from batch_platform.models.gate import GateVerdict, judge
from batch_platform.models.lineage import parameters_of
from batch_platform.models.quality import Quality, base_rate_scores, evaluate, logistic_regression_scores
from batch_platform.models.registry import Registry, Version
from batch_platform.models.reloading import difference, scores_of
from batch_platform.models.task import TrainingTask
from batch_platform.models.training_rows import LABEL, labelled_rows
from batch_platform.models.training_windows import Windows, windows_of
from batch_platform.outcomes import Run
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.settings import Settings
from batch_platform.telemetry.cost import Meter

MODEL, REGRESSION, BASE_RATE = "this version", "logistic regression", "base rate"


@dataclass(frozen=True)
class TrainedVersion:
    """A registered version and how it did on its holdout, beside the two baselines.

    Args:
        version: as it was registered.
        qualities: the figures of the version and of the baselines, by name.
        verdict: of the gate.
        windows: the partitions it was trained and evaluated on.
        training_rows: how many rows it was trained on.
        parameters: what determined it.
        unlike: how it differs when it is read back from the registry; empty if its scores are bit-equal and those of
            the form in which it scores prediction tables are within `reloading.TOLERANCE`.
        promoted: whether it may serve now.
        champion: the version that would serve the window without it.
        epochs: how many times training passed over the rows, where the trainer tells.
    """

    version: Version
    qualities: Mapping[str, Quality]
    verdict: GateVerdict
    windows: Windows
    training_rows: int
    parameters: Mapping[str, str]
    unlike: str
    promoted: bool
    champion: Version | None = None
    epochs: int | None = None

    @property
    def reloaded(self) -> bool:
        """Whether it gives the same scores when it is read back from the registry, see `unlike`."""
        return not self.unlike


def train_version(definition: ModelDefinition, settings: Settings, key: str, run: Run, meter: Meter) -> TrainedVersion:
    """Train, evaluate and register the version that serves the window `key`; promote it if the gate passes and it
    gives the same scores once it is read back.

    Raises:
        ContractError: partitions of the training window are missing.
        ModelError: the trainer refuses, nothing is left to train or evaluate on, or the version that the gate
            compares with cannot be read or applied.
        RegistryError: the registry is unreachable.
    """
    windows = windows_of(definition, key)
    training = labelled_rows(definition, settings.lake, windows.training)
    holdout = labelled_rows(definition, settings.lake, windows.holdout)
    for rows, part in ((training, "training window"), (holdout, "holdout")):
        if rows.num_rows == 0:
            raise ModelError(f"the {part} has no labelled rows", where=f"{definition.table}[{key}]")
    task = TrainingTask(definition.columns, LABEL, PARTITION_COLUMN, definition.seed, dict(definition.options))
    model = _trained(definition, training, task)
    labels = task.labels(holdout)
    scores = scores_of(model, holdout, f"{definition.table}[{key}]")
    qualities = {
        MODEL: evaluate(labels, scores),
        REGRESSION: evaluate(labels, logistic_regression_scores(training, holdout, task)),
        BASE_RATE: evaluate(labels, base_rate_scores(np.asarray(training.column(LABEL)), len(labels))),
    }
    parameters = parameters_of(definition, settings.lake, windows, training.num_rows, run, meter)
    registry = Registry(settings)
    window_start = definition.calendar.start_of(key)
    version = registry.register(
        definition.name,
        model,
        holdout.select(definition.columns).slice(0, 5),
        window=key,
        window_start=window_start,
        metrics=_figures(qualities),
        parameters=parameters,
    )
    unlike = difference(registry, version, holdout, scores)
    champion = registry.serving(definition.name, window_start, without=version)
    compared = any(threshold.gain_over_champion is not None for threshold in definition.gate)
    rival = _rival_figures(registry, champion, holdout, labels) if champion and compared else None
    verdict = judge(definition.gate, _named(qualities[MODEL]), rival)
    fit_to_serve = verdict.passed and not unlike
    if fit_to_serve:
        registry.promote(version)
    epochs = model.config.get("epochs")
    return TrainedVersion(
        version,
        qualities,
        verdict,
        windows,
        training.num_rows,
        parameters,
        unlike,
        fit_to_serve or version.promoted,
        champion,
        epochs if isinstance(epochs, int) else None,
    )


def _trained(definition: ModelDefinition, rows: pa.Table, task: TrainingTask) -> Model:
    try:
        model: Model = resolve(definition.trainer)(rows, task)
    except BatchPlatformError:
        raise
    except Exception as error:  # whatever a trainer of the user's own may raise
        raise ModelError(
            f"the trainer {definition.trainer} fails: {first_line(error)}", where=definition.table, fix="correct it"
        ) from error
    return model


def _rival_figures(
    registry: Registry, champion: Version, holdout: pa.Table, labels: NDArray[Any]
) -> dict[str, float] | None:
    """The champion's figures on the same rows; None if it reads features that are no more.

    Raises:
        ModelError: the champion cannot be read or applied, so that nothing can be said about a gain over it.
    """
    where = f"models/{champion.name} version {champion.number}"
    try:
        rival = registry.load(champion)
        if not set(rival.features) <= set(holdout.column_names):
            return None
        return _named(evaluate(labels, scores_of(rival, holdout, where)))
    except ModelError as error:
        raise ModelError(
            f"the gate cannot compare with the version that serves: {error.what}",
            where=where,
            fix="restore its artifact, or set its tag promoted to false in the registry and train again",
        ) from error


def _named(quality: Quality) -> dict[str, float]:
    figures = {
        "roc_auc": quality.roc_auc if quality.roc_auc is not None else float("nan"),
        "log_loss": quality.log_loss,
        "brier": quality.brier,
        "calibration_error": quality.calibration_error,
    }
    return {name: float(figure) for name, figure in figures.items()}


def _figures(qualities: Mapping[str, Quality]) -> dict[str, float]:
    figures = dict(_named(qualities[MODEL]), holdout_rows=float(qualities[MODEL].rows))
    for name in (REGRESSION, BASE_RATE):
        figures |= {f"{name.replace(' ', '_')}_{metric}": value for metric, value in _named(qualities[name]).items()}
    return figures
