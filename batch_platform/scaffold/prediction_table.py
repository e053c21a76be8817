"""A new `PredictionTable`: its document."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from batch_platform.errors import ConfigurationError
from batch_platform.scaffold.model_version import feature_table
from batch_platform.scaffold.place import Place, attributes, named, write


class Params(BaseModel):
    """The options of the command."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("", description="The table is predictions/<name>; by default the pipeline's name.")
    features: str = Field("", description="The feature table; by default the model's.")
    registered_model: str = Field("", description="The model's name in the registry; by default the pipeline's.")


def scaffold(params: Params, target: Path, project: Path) -> list[str]:
    """Add the document to the pipeline's; the lines to tell.

    Raises:
        ConfigurationError: there are no such features or model, or the table exists.
    """
    place = Place.of(target, project)
    name = named(params.name or place.pipeline, "name")
    if name in attributes(place, "PredictionTable"):
        raise ConfigurationError(f"there is a PredictionTable {name!r} already", fix="give another --name")
    models = attributes(place, "ModelVersion")
    model = named(params.registered_model or place.pipeline, "registered_model")
    if model not in models:
        raise ConfigurationError(
            f"no ModelVersion makes {model!r}",
            fix=f"there are {', '.join(sorted(models)) or 'none: scaffold one first'}",
        )
    features = feature_table(params.features or str(models[model].get("features", "")))
    document = (
        f"  name: {name}\n"
        f"  features: {features}\n"
        f"  registered_model: {model}\n"
        f"  outputs: {{{model}_probability: score}}  # further columns: SQL over those before them\n"
        "  # carry: [...]  # feature columns that are handed on\n"
    )
    return write(place, "PredictionTable", document, {})
