"""A data platform for offline machine-learning predictions.

The components are offered here under their short names and imported only when asked for: workers import
`batch_platform` without Dagster.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_COMPONENTS = {
    "InputSnapshot": "batch_platform.snapshots.component",
    "FeatureTables": "batch_platform.features.component",
    "ModelVersion": "batch_platform.models.component",
    "PredictionTable": "batch_platform.predictions.component",
    "Operations": "batch_platform.operations.component",
}


def __getattr__(name: str) -> Any:
    if name in _COMPONENTS:
        return getattr(import_module(_COMPONENTS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_COMPONENTS]
