"""Training one model version: which rows were known before its window began, the fit, its figures, its gate.

Belongs here: the training window, the embargo on labels and the steps from tables to a registered version. Does
not belong here: the network (`tabular.py`), the figures (`quality.py`), the registry (`registry.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa

from batch_platform.errors import BatchPlatformError, ConfigurationError, ContractError, ModelError, first_line
from batch_platform.lake.digest import combine
from batch_platform.lake.store import Lake, quote_identifier
from batch_platform.lake.table import Table
from batch_platform.models.artifact import Model, resolve
from batch_platform.models.definition import ModelDefinition
from batch_platform.models.gate import GateVerdict, judge
from batch_platform.models.quality import Quality, base_rate_scores, evaluate, logistic_regression_scores
from batch_platform.models.registry import Registry, Version
from batch_platform.models.task import TrainingTask
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.settings import Settings

LABEL = "_label"
MODEL, REGRESSION, BASE_RATE = "this version", "logistic regression", "base rate"


@dataclass(frozen=True)
class Windows:
    """The partitions that a version is trained on and those it is evaluated on, as feature keys."""

    training: tuple[str, ...]
    holdout: tuple[str, ...]


@dataclass(frozen=True)
class TrainedVersion:
    """A registered version and how it did on its holdout, beside the two baselines."""

    version: Version
    qualities: Mapping[str, Quality]
    verdict: GateVerdict
    windows: Windows
    training_rows: int
    reloaded: bool
    champion: Version | None = None
    epochs: int | None = None


def windows_of(definition: ModelDefinition, key: str) -> Windows:
    """What the version for the window `key` may learn from: labels known before that window begins, and, for the
    part that it is trained on, before its holdout begins.

    Raises:
        ConfigurationError: the features and the label have different calendars.
    """
    features, label = definition.features, definition.label.timeline
    if features.calendar is None or label.calendar is None or label.available is None:
        raise ConfigurationError("features and label need partitions", where=definition.table)
    days = features.calendar
    if (days.cadence, days.timezone) != (label.calendar.cadence, label.calendar.timezone):
        raise ConfigurationError(
            f"{features.table} and {label.table} have different calendars",
            where=definition.table,
            fix="give both one cadence and one time zone",
        )
    first = definition.calendar.start_of(definition.calendar.shift(key, -definition.lookback - definition.holdout))
    middle = definition.calendar.start_of(definition.calendar.shift(key, -definition.holdout))
    end = definition.calendar.start_of(key)

    def between(start: datetime, stop: datetime) -> tuple[str, ...]:
        assert label.available is not None
        known = [
            day
            for day in days.keys_between(days.key_at(start), days.key_at(stop))
            if start <= days.start_of(day) < stop and label.available.after(days.start_of(day)) <= stop
        ]
        return tuple(known)

    return Windows(between(first, middle), between(middle, end))


def labelled_rows(definition: ModelDefinition, lake: Lake, keys: Sequence[str]) -> pa.Table:
    """The features of these partitions with the label of the same partition as `LABEL` (0 or 1), in key order.

    Raises:
        ContractError: a partition of the features or of the label's table was never computed, or the label's table
            has several rows for one key.
        ConfigurationError: the label's SQL is wrong.
    """
    tables = {}
    for timeline in (definition.features, definition.label.timeline):
        table = Table(lake, timeline.table)
        missing = sorted(set(keys) - table.partitions())
        if missing:
            raise ContractError(
                f"the training window needs {len(missing)} partitions of {timeline.table} that do not exist, "
                f"from {missing[0]} to {missing[-1]}",
                where=definition.table,
                fix="materialize them first",
            )
        tables[timeline.table] = table.read(keys)
    # A key may be unique within its partition only, and the label of another day may not be known yet.
    join = dict.fromkeys((PARTITION_COLUMN, *definition.key))
    names = ", ".join(quote_identifier(name) for name in join)
    columns = ", ".join(quote_identifier(name) for name in definition.columns)
    query = f"""
        WITH labelled AS (
            SELECT {names}, CAST(({definition.label.sql}) AS INTEGER) AS {LABEL} FROM outcomes
            WHERE NOT coalesce(({definition.label.exclude}), false)
        )
        SELECT {columns}, {PARTITION_COLUMN}, labelled.{LABEL}
        FROM features JOIN labelled USING ({names}) ORDER BY {names}
    """
    # USING makes the key columns unambiguous; nothing else of the label's table is in sight.
    connection = duckdb.connect()
    try:
        connection.execute("SET TimeZone = 'UTC'; SET enable_external_access = false")
        connection.register("features", tables[definition.features.table])
        connection.register("outcomes", tables[definition.label.timeline.table])
        connection.execute("SET lock_configuration = true")
        rows = connection.sql(query).to_arrow_table()
        if rows.num_rows > tables[definition.features.table].num_rows:
            raise ContractError(
                f"{definition.label.timeline.table} has several rows for one key ({', '.join(definition.key)})",
                where=definition.table,
                fix="give that snapshot the same key",
            )
        return rows
    except duckdb.Error as error:
        raise ConfigurationError(
            f"label: {first_line(error)}", where=definition.table, fix="correct its SQL"
        ) from error
    finally:
        connection.close()


def train_version(definition: ModelDefinition, settings: Settings, key: str) -> TrainedVersion:
    """Train, evaluate, register and, if the gate passes, promote the version that serves the window `key`.

    Raises:
        ContractError: partitions of the training window are missing.
        ModelError: the trainer refuses, or nothing is left to train or evaluate on.
        RegistryError: the registry is unreachable.
    """
    windows = windows_of(definition, key)
    training = labelled_rows(definition, settings.lake, windows.training)
    holdout = labelled_rows(definition, settings.lake, windows.holdout)
    for rows, part in ((training, "training window"), (holdout, "holdout")):
        if rows.num_rows == 0:
            raise ModelError(f"the {part} has no labelled rows", where=f"{definition.table}[{key}]")
    task = TrainingTask(definition.columns, LABEL, PARTITION_COLUMN, definition.seed, dict(definition.options))
    model: Model = _trained(definition, training, task)
    labels = task.labels(holdout)
    scores = model.predict(holdout)
    qualities = {
        MODEL: evaluate(labels, scores),
        REGRESSION: evaluate(labels, logistic_regression_scores(training, holdout, task)),
        BASE_RATE: evaluate(labels, base_rate_scores(np.asarray(training.column(LABEL)), len(labels))),
    }
    registry = Registry(settings)
    window_start = definition.calendar.start_of(key)
    version = registry.register(
        definition.name,
        model,
        holdout.select(definition.columns).slice(0, 5),
        window=key,
        window_start=window_start,
        metrics=_figures(qualities),
        parameters=_parameters(definition, settings.lake, windows, training.num_rows),
    )
    champion = _champion_before(registry, definition.name, window_start)
    rival = _rival_figures(registry, champion, holdout, labels)
    verdict = judge(definition.gate, _figures_of(model, holdout, labels), rival)
    if verdict.passed:
        registry.promote(version)
    again = registry.load(version).predict(holdout)
    reloaded = bool(np.array_equal(scores, again))
    epochs = model.config.get("epochs")
    return TrainedVersion(
        version,
        qualities,
        verdict,
        windows,
        training.num_rows,
        reloaded,
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


def _champion_before(registry: Registry, name: str, window_start: datetime) -> Version | None:
    """The version that would go on serving if the new one were not promoted."""
    earlier = [v for v in registry.versions(name) if v.promoted and v.window_start < window_start]
    return max(earlier, key=lambda version: (version.window_start, int(version.number)), default=None)


def _rival_figures(
    registry: Registry, champion: Version | None, holdout: pa.Table, labels: np.ndarray
) -> dict[str, float] | None:
    """The champion's figures on the same rows; None if there is none, or if it reads features that are no more."""
    if champion is None:
        return None
    try:
        return _figures_of(registry.load(champion), holdout, labels)
    except ModelError:
        return None


def _figures_of(model: Model, holdout: pa.Table, labels: np.ndarray) -> dict[str, float]:
    return _named(evaluate(labels, model.predict(holdout)))


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


def _parameters(definition: ModelDefinition, lake: Lake, windows: Windows, rows: int) -> dict[str, str]:
    described = {
        "training_window": f"{windows.training[0]} to {windows.training[-1]}",
        "holdout_window": f"{windows.holdout[0]} to {windows.holdout[-1]}",
        "training_rows": str(rows),
        "label": definition.label.sql,
        "seed": str(definition.seed),
        "trainer": definition.trainer,
    }
    keys = sorted({*windows.training, *windows.holdout})
    for timeline in (definition.features, definition.label.timeline):
        records = Table(lake, timeline.table).records(keys)
        digest = combine(records[key].record.digest for key in keys)
        described[f"input {timeline.table.replace('/', '.')}"] = (
            f"version {max(found.version for found in records.values())}, digest {digest}"
        )
    return described
