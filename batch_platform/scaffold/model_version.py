"""A new `ModelVersion`: its document."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from batch_platform.errors import ConfigurationError
from batch_platform.scaffold.place import Place, attributes, declared, named, scalar, write
from batch_platform.settings import Settings

_WINDOWS = {"weekly": ("4 weeks", "1 week"), "monthly": ("6 months", "1 month")}


class Params(BaseModel):
    """The options of the command."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("", description="The model's name in the registry; by default the pipeline's.")
    features: str = Field("", description="The feature table.")
    label_from: str = Field("", description="The snapshot that holds what came true.")
    label: str = Field("", description="A boolean column of it, or a condition such as 'delay_minutes > 15'.")
    serving_window: Literal["weekly", "monthly"] = Field("monthly", description="How long a version serves.")
    lookback: str = Field("", description="How far back training reaches: '4 weeks'.")
    holdout: str = Field("", description="The newest part, for evaluation only: '1 week'.")


def scaffold(params: Params, target: Path, project: Path) -> list[str]:
    """Add the document to the pipeline's; the lines to tell.

    Raises:
        ConfigurationError: there are no such features or snapshot, the label is no condition or a feature, or the
            model exists.
    """
    place = Place.of(target, project)
    name = named(params.name or place.pipeline, "name")
    if name in attributes(place, "ModelVersion"):
        raise ConfigurationError(f"there is a ModelVersion {name!r} already", fix="give another --name")
    features = feature_table(params.features)
    origin = params.label_from.removeprefix("snapshots/")
    snapshots = attributes(place, "InputSnapshot")
    if origin not in snapshots:
        what = f"there is no InputSnapshot {origin[:60]!r}" if origin else "--label-from is missing"
        raise ConfigurationError(what, fix=f"there are {', '.join(sorted(snapshots)) or 'none'}")
    label = _condition(params.label, (snapshots[origin].get("source") or {}).get("columns"))
    leaking = sorted(_features(features) & {word.lower() for word in re.findall(r"\w+", label)})
    if leaking:
        raise ConfigurationError(
            f"the label {label[:60]!r} reads {leaking[0]!r}, which is a feature: the model would see the answer",
            fix=f"give {leaking[0]} the role carried in the property file of {features}, or take it out",
        )
    usual = _WINDOWS[params.serving_window]
    lookback, holdout = scalar(params.lookback or usual[0]), scalar(params.holdout or usual[1])
    document = (
        f"  name: {name}\n"
        f"  features: {features}\n"
        f"  label: {{from: {origin}, sql: {scalar(label)}}}\n"
        f"  serving_window: {params.serving_window}\n"
        f"  training: {{lookback: {lookback}, holdout: {holdout}}}\n"
        "  # gate: {roc_auc: {at_least: 0.6}}  # what a version must reach before it may serve\n"
    )
    return write(place, "ModelVersion", document, {})


def feature_table(name: str) -> str:
    """The feature table's own name.

    Raises:
        ConfigurationError: the project has no SQL model of that name.
    """
    known = sorted(path.stem for path in Settings.from_environment().sql_models.rglob("*.sql"))
    name = name.removeprefix("features/")
    if name not in known:
        what = f"there is no feature table {name[:60]!r}" if name else "--features is missing"
        raise ConfigurationError(what, fix=f"there are {', '.join(known) or 'none: scaffold one first'}")
    return name


def _condition(label: str, columns: object) -> str:
    """The label as a condition; a column alone must be a boolean one."""
    if not label.strip():
        raise ConfigurationError("--label is missing", fix="name a boolean column, or give a condition")
    kind = columns.get(label) if isinstance(columns, dict) else None
    if kind is not None and str(kind).upper() != "BOOLEAN":
        raise ConfigurationError(f"--label {label!r} is {kind}, no condition", fix=f"write one, such as '{label} > 0'")
    return label


def _features(table: str) -> set[str]:
    """The columns of role feature, in lower case."""
    models = Settings.from_environment().sql_models
    found: set[str] = set()
    for path in sorted([*models.rglob("*.yml"), *models.rglob("*.yaml")]):
        for document in declared(path):
            for model in document.get("models") or []:
                if isinstance(model, dict) and model.get("name") == table:
                    columns = [column for column in model.get("columns") or [] if isinstance(column, dict)]
                    found |= {
                        str(c.get("name")).lower() for c in columns if (c.get("meta") or {}).get("role") == "feature"
                    }
    return found
