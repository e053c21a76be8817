"""Keeping the libraries under a model to one thread, so that workers neither fight for processors nor differ in bits.

Sums over trees or blocks that several threads add up come in any order: a forest of scikit-learn with `n_jobs=2` gives
other last bits each time.

Belongs here: what each library must be told. Does not belong here: torch's threads, which the engine settles.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

_settled = threading.local()


def settle_model(raw: Any, flavor: str) -> None:
    """Tell a loaded model's own object to use one thread, where it holds such a setting."""
    if flavor == "xgboost":
        booster = raw.get_booster() if hasattr(raw, "get_booster") else raw
        booster.set_param({"nthread": 1})
    if flavor in ("xgboost", "lightgbm") and hasattr(raw, "set_params"):
        raw.set_params(n_jobs=1)


@contextmanager
def one_thread(flavor: str) -> Iterator[None]:
    """While this lasts, what the calling thread predicts uses no other thread."""
    _settle_pools(flavor)
    with ExitStack() as stack:
        if flavor == "xgboost":
            import xgboost

            if "nthread" in xgboost.get_config():  # since XGBoost 2.1
                stack.enter_context(xgboost.config_context(nthread=1))
        elif flavor != "onnx":
            import joblib

            # A number of jobs that an estimator was made with counts for nothing in this one.
            stack.enter_context(joblib.parallel_config(backend="sequential"))
        yield


def _settle_pools(flavor: str) -> None:
    """Limit BLAS and OpenMP: the former counts for the process, the latter for the calling thread."""
    known: set[str] = getattr(_settled, "flavors", set())
    if flavor in known:
        return
    from threadpoolctl import threadpool_limits

    # Not given back: another worker may be predicting when this one ends.
    threadpool_limits(limits=1)
    _settled.flavors = known | {flavor}
