"""A model as a folder that any MLflow tool understands: its two files, a signature, an input example, a loader.

Belongs here: what MLflow wants to know about a model. Does not belong here: versions (`registry.py`), or the loader
itself (`pyfunc.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from batch_platform.contracts.column_types import is_number
from batch_platform.models import artifact
from batch_platform.models.pyfunc import DIGEST
from batch_platform.versions import installed_version

DATA = "model"
"""The name of the folder, inside MLflow's own, that holds the model's two files."""


def as_mlflow_model(model: artifact.Model, example: pa.Table, scratch: Path) -> Path:
    """Write the model as an MLflow model below `scratch`; returns its folder.

    Args:
        model: the model.
        example: a few rows of its features, which become the signature and the input example.
        scratch: an empty folder.
    """
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    # Tools that speak MLflow pass data frames, in which a number that may be missing is a double.
    fields = [pa.field(f.name, pa.float64()) if is_number(f.type) else f for f in example.schema]
    example = example.cast(pa.schema(fields), safe=False)
    columns: list[Any] = [ColSpec(_mlflow_type(field.type), field.name, required=False) for field in example.schema]
    signature = ModelSignature(inputs=Schema(columns), outputs=Schema([ColSpec("double", "score")]))
    artifact.save(model, scratch / DATA)
    folder, release = scratch / "mlflow", installed_version()
    mlflow.pyfunc.save_model(
        str(folder),
        loader_module="batch_platform.models.pyfunc",
        data_path=str(scratch / DATA),
        signature=signature,
        input_example=example.to_pandas(),
        metadata={DIGEST: artifact.digest_of(model)},
        pip_requirements=["batch-platform" if release == "uninstalled" else f"batch-platform=={release}"],
    )
    return folder


def _mlflow_type(kind: pa.DataType) -> Any:
    return "double" if pa.types.is_floating(kind) else "boolean" if pa.types.is_boolean(kind) else "string"
