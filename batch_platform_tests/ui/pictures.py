"""Where the tests in a browser leave their pictures, for whoever reads what a test run found."""

from __future__ import annotations

import os
from pathlib import Path

SCREENSHOTS = "SCREENSHOTS"


def folder() -> Path:
    """The folder that the environment names, else `build/screenshots` of the checkout."""
    return Path(os.environ.get(SCREENSHOTS) or Path(__file__).parents[2] / "build" / "screenshots").resolve()


def taken_since(moment: float) -> list[Path]:
    """The pictures that were taken since a moment, in seconds since 1970."""
    return sorted(path for path in folder().glob("*.png") if path.stat().st_mtime >= moment)
