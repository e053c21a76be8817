"""The door through which MLflow's own tools load a registered model: a python_function over its two files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from batch_platform.models.artifact import Model, load

if TYPE_CHECKING:
    import pandas as pd

DIGEST = "digest"
"""The key under which MLflow's description of the model holds the digest of its two files."""


class PyFunc:
    """Predicts on a data frame with the model's feature columns."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, frame: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        """Scores, shape (rows,)."""
        table = pa.Table.from_pandas(frame, preserve_index=False)
        return self.model.predict(table)


def _load_pyfunc(path: str) -> PyFunc:
    from mlflow.models import Model as Description

    folder = Path(path)
    # MLflow passes the folder of the two files, which lies in `data` beside its own description.
    metadata = Description.load(str(folder.parents[1])).metadata or {}
    return PyFunc(load(folder, metadata.get(DIGEST)))
