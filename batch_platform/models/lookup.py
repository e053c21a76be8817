"""Finding a model by what a person types: a registered name, a name with a version, or a folder."""

from __future__ import annotations

import os
from pathlib import Path

from batch_platform.models import artifact
from batch_platform.models.registry import Registry
from batch_platform.settings import Settings


def find_model(reference: str, settings: Settings) -> tuple[artifact.Model, str]:
    """The model and how to call it in a sentence.

    Args:
        reference: `name`, `name@version` or a folder that holds a model's two files.
        settings: where the registry is.

    Raises:
        RegistryError: no such model, version or registry.
        ModelError: the artifact is damaged.
    """
    folder = Path(reference)
    # A bare name is a folder only if a model lies in it: a folder may be called like a registered model by chance.
    if (folder / artifact.CONFIG).is_file() or (folder.is_dir() and os.sep in reference):
        model = artifact.load(folder, None)
        return model, f"the model in {folder}, digest {artifact.digest_of(model)[:12]}"
    name, _, number = reference.partition("@")
    registry = Registry(settings)
    version = registry.numbered(name, number) if number else registry.champion(name)
    return registry.load(version), f"{version.name} version {version.number}, digest {version.digest[:12]}"
