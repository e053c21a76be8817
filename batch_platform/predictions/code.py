"""The code that decides about scores: what must be the same for a score to have the same bits.

Belongs here: naming that code, the device it runs on among it. Does not belong here: the model and the settings, which
decide, too (`planning.py`).
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache, lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from threadpoolctl import threadpool_info

from batch_platform.models.artifact import CONFIG
from batch_platform.models.runtimes.device import device_name
from batch_platform.models.runtimes.loading import ModelSource
from batch_platform.models.versions import BUILT_IN
from batch_platform.versions import installed_version

_LIBRARIES = (
    "numpy", "polars", "torch", "mlflow", "scikit-learn", "xgboost", "xgboost-cpu", "lightgbm", "onnxruntime"
)  # fmt: skip

_SOURCES = (
    "predictions/*.py", "models/runtimes/*.py", "models/encoding.py", "models/feature_kinds.py", "models/tabular.py",
    "models/network.py", "lake/digest.py", "lake/column_words.py", "lake/row_digests.py", "lake/row_hashes.py",
)  # fmt: skip
"""The platform's own sources that decide. Not the commit: each one of a checkout would make all receipts stale."""

_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_KEPT = 256


@cache
def scoring_code() -> tuple[str, ...]:
    """The platform's version and sources, the libraries that predict, and the vector kernels that numpy uses here.

    Scores are bit-equal only where all of them are the same, and `model_code` is, too.
    """
    import numpy as np  # its library of kernels can only be asked once it is loaded

    kernels = {str(pool.get("architecture")) for pool in threadpool_info() if pool["user_api"] == "blas"}
    found = [f"{name} {known}" for name in _LIBRARIES if (known := _installed(name))]
    sources = f"sources {_digest(_platform_sources())}"
    return (installed_version(), sources, *found, f"{np.__name__} on {', '.join(sorted(kernels))}")


@lru_cache(_KEPT)
def model_code(source: ModelSource, device: str) -> tuple[str, ...]:
    """The code that one model version brings or names, and the device as it was found. Imports none of that code.

    Of a model in the platform's own format that are the sources of the classes its file names: the module's, and those
    beside it in its package; code further away counts by the version of its distribution. Of an MLflow model it is the
    versions of what its requirements.txt names; its own code is in its digest.

    Raises:
        ConfigurationError: the device is not there.
    """
    named = _named_classes(source.folder) if source.flavor == BUILT_IN else _requirements(source.folder)
    return (*named, device_name(device))


def _named_classes(folder: Path) -> list[str]:
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
    except (OSError, ValueError):
        return ["unreadable"]  # loading says so with all that belongs to it
    named = [config.get("runtime"), config.get("module")] if isinstance(config, dict) else []
    return [f"{name} {_module(name.partition(':')[0])}" for name in named if isinstance(name, str)]


def _module(name: str) -> str:
    """What is installed of a module: its distribution's version and a digest of its source."""
    top = name.partition(".")[0]
    spec = _spec(name)
    place = None if spec is None or not spec.origin else Path(spec.origin)
    if spec is None or place is None or not place.is_file():
        return "without source"
    if place.resolve() in {path.resolve() for path in _platform_sources()}:
        return installed_version()
    beside = place.parent.glob("*.py") if spec.parent else ()
    return f"{_installed(top) or ''} {_digest({place, *beside})}"


def _spec(name: str) -> ModuleSpec | None:
    """Where a module lies. Unlike `find_spec` alone, it imports no package around it: nobody has verified the file."""
    top, *rest = name.split(".")
    with suppress(ImportError, ValueError):
        spec = find_spec(top)
        for piece in rest:
            if spec is None or spec.submodule_search_locations is None:
                return None
            spec = PathFinder.find_spec(f"{spec.name}.{piece}", list(spec.submodule_search_locations))
        return spec
    return None


def _requirements(folder: Path) -> list[str]:
    try:
        lines = (folder / "requirements.txt").read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return []
    names = {match.group() for line in lines if (match := _REQUIREMENT.match(line.strip()))}
    python = ".".join(map(str, sys.version_info[:3]))
    return [f"python {python}", *(f"{name} {_installed(name)}" for name in sorted(names))]


def _platform_sources() -> list[Path]:
    package = Path(__file__).parents[1]
    return [path for pattern in _SOURCES for path in package.glob(pattern)]


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        content = path.read_bytes()
        digest.update(f"{path.parent.name}/{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:32]


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
