"""Which code runs: the installed version of the platform and the commit of the project.

Belongs here: what a provenance record says about the code. Does not belong here: versions of models or tables.
"""

from __future__ import annotations

import os
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@cache
def installed_version() -> str:
    """The installed version of the platform."""
    try:
        return version("batch-platform")
    except PackageNotFoundError:
        return "uninstalled"


@cache
def running_commit() -> str:
    """The commit of the project that runs: `BATCH_PLATFORM_GIT_COMMIT`, else the checkout's, else `unversioned`.

    A checkout with uncommitted changes, new files among them, is marked `+dirty`: such a commit does not name the
    code that ran.
    """
    named = os.environ.get("BATCH_PLATFORM_GIT_COMMIT")
    if named:
        return named

    def git(*arguments: str) -> str:
        place = Path(__file__).parent
        done = subprocess.run(["git", *arguments], cwd=place, capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+dirty" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return "unversioned"
