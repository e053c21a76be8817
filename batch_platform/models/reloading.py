"""The proof that a registered version scores as the model that was trained: read back, and where tables are scored.

Belongs here: comparing scores. Does not belong here: what follows from a difference (`training.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from batch_platform.errors import BatchPlatformError, ModelError, RegistryError, first_line
from batch_platform.models.artifact import Model
from batch_platform.models.registry import Registry, Version
from batch_platform.models.runtimes.base import BATCH_ROWS
from batch_platform.models.runtimes.plain import runtime_of
from batch_platform.models.runtimes.scores import ScoreField, conform

TOLERANCE = 1e-5
"""How far a score in a prediction table may be from the model's own: a runtime may round in another order."""


def scores_of(model: Model, rows: pa.Table, where: str) -> NDArray[Any]:
    """The model's scores, shape (rows,).

    Raises:
        ModelError: it cannot predict, or gives something else than one number a row.
    """
    try:
        scores = np.asarray(model.predict(rows))
        scores.astype(np.float64)
    except BatchPlatformError:
        raise
    except Exception as error:  # whatever a model of the user's own may raise
        raise ModelError(f"the model cannot predict: {first_line(error)}", where=where, fix="correct it") from error
    if scores.shape != (rows.num_rows,):
        raise ModelError(f"the model gives scores of shape {scores.shape} for {rows.num_rows} rows", where=where)
    return scores


def difference(registry: Registry, version: Version, holdout: pa.Table, scores: NDArray[Any]) -> str:
    """How the scores of the version differ once it is read back from the registry; empty if they do not.

    Its own must be bit-equal, those of the runtime that scores prediction tables within `TOLERANCE`.
    """
    where = f"version {version.number}"
    try:
        model = registry.load(version)
        again = scores_of(model, holdout, where)
        if (again.dtype, again.tobytes()) != (scores.dtype, scores.tobytes()):
            return f"{np.sum(again != scores)} of {len(scores)} scores differ once it is read back"
        served = _served(model, holdout, where)
    except (ModelError, RegistryError) as error:
        if error.transient:
            raise
        return str(error)
    far = ~np.isclose(served, scores, rtol=0, atol=TOLERANCE, equal_nan=True)
    if not far.any():
        return ""
    gap = np.abs(served[far] - scores[far]).max()
    return f"{far.sum()} of {len(scores)} scores differ by up to {gap:.1e} where prediction tables are scored"


def _served(model: Model, rows: pa.Table, where: str) -> NDArray[np.float64]:
    """The scores that prediction tables would hold, shape (rows,)."""
    runtime = runtime_of(model, BATCH_ROWS, "cpu")
    field = ScoreField("score", pa.float64())
    found = [np.empty(0)]
    try:
        for batch in rows.to_batches():
            score = conform(runtime.score(batch), [field], batch.num_rows)["score"]
            found.append(score.to_numpy(zero_copy_only=False))
    except BatchPlatformError:
        raise
    except Exception as error:  # whatever a runtime of the user's own may raise
        raise ModelError(f"its runtime cannot score: {first_line(error)}", where=where, fix="correct it") from error
    return np.concatenate(found)
