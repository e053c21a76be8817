"""Dagster's home on a laptop: a folder under the project's `local/` that uses the project's `dagster.yaml`."""

from __future__ import annotations

import os
from pathlib import Path

from batch_platform.settings import Settings

HOME = "DAGSTER_HOME"


def prepare_home(settings: Settings) -> Path:
    """Make sure that Dagster has a home and knows where it is; one that the environment names is left alone.

    The home's `dagster.yaml` is a link to the project's, so that there is one file to edit.
    """
    named = os.environ.get(HOME)
    if named:
        return Path(named)
    home = settings.project / "local" / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    link, original = home / "dagster.yaml", settings.project / "dagster.yaml"
    if not link.exists() and original.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(original, home))
    os.environ[HOME] = str(home)
    return home
