"""Dagster's home on a laptop: a folder under the project's `local/` that uses the project's `dagster.yaml`."""

from __future__ import annotations

import os
from pathlib import Path

from batch_platform.settings import Settings

HOME = "DAGSTER_HOME"


def prepare_home(settings: Settings) -> Path:
    """Make sure that Dagster has a home and knows where it is: the one that the environment names, else our own.

    The `dagster.yaml` of our own is a link to the project's, so that there is one file to edit.
    """
    own = settings.project / "local" / "dagster"
    home = Path(os.environ.get(HOME) or own)
    home.mkdir(parents=True, exist_ok=True)
    link, original = home / "dagster.yaml", settings.project / "dagster.yaml"
    if home.resolve() == own.resolve() and not link.exists() and original.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(original, home))
    os.environ[HOME] = str(home)
    return home
