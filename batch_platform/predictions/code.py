"""The code that decides about scores: what must be the same for a score to have the same bits.

Belongs here: naming that code. Does not belong here: the model and the settings, which decide, too (`planning.py`).
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

from threadpoolctl import threadpool_info

from batch_platform.versions import installed_version

_LIBRARIES = (
    "numpy", "polars", "torch", "mlflow", "scikit-learn", "xgboost", "xgboost-cpu", "lightgbm", "onnxruntime"
)  # fmt: skip


@cache
def scoring_code() -> tuple[str, ...]:
    """The platform's version, those of the libraries that predict, and the vector kernels that numpy uses here.

    Scores are bit-equal only where all of them are the same.
    """
    import numpy as np  # its library of kernels can only be asked once it is loaded

    kernels = {str(pool.get("architecture")) for pool in threadpool_info() if pool["user_api"] == "blas"}
    found = [f"{name} {known}" for name in _LIBRARIES if (known := _installed(name))]
    return (installed_version(), *found, f"{np.__name__} on {', '.join(sorted(kernels))}")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
