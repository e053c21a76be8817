"""The door through which MLflow's own tools load a registered model: a python_function over its two files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from batch_platform.models.artifact import CONFIG, TENSORS, Model, resolve

if TYPE_CHECKING:
    import pandas as pd


class PyFunc:
    """Predicts on a data frame with the model's feature columns."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, frame: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        """Scores, shape (rows,)."""
        table = pa.Table.from_pandas(frame, preserve_index=False)
        return self.model.predict(table)


def _load_pyfunc(path: str) -> PyFunc:
    from safetensors.numpy import load_file

    config = json.loads((Path(path) / CONFIG).read_text("utf-8"))
    model = resolve(config.pop("runtime")).from_parts(load_file(Path(path) / TENSORS), config)
    return PyFunc(model)
