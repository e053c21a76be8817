"""Code of a user's own gets texts as strings, however the rows came."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from batch_platform.models.runtimes.loading import ModelSource, folder_digest, load_runtime
from batch_platform.models.runtimes.plain import PlainRuntime
from batch_platform.models.runtimes.tensor_inputs import TensorInput
from batch_platform.models.runtimes.torch_module import TorchModel

COLORS = ["red", None, "blue", "red", "green"]
DISTANCES = [0.5, 1.0, 2.0, 4.0, 8.0]


def rows() -> pa.RecordBatch:
    """As feature files are read: texts as entries of a dictionary."""
    colors = pa.array(COLORS, pa.string()).dictionary_encode()
    return pa.RecordBatch.from_pydict({"distance": DISTANCES, "color": colors})


@dataclass(frozen=True)
class Seen:
    """Notes what it is asked to predict for."""

    features: tuple[str, ...] = ("color", "distance")
    tables: list[pa.Table] = field(default_factory=list)

    def predict(self, batch: pa.Table) -> Any:
        self.tables.append(batch)
        return np.zeros(batch.num_rows)


def test_a_predict_of_a_users_own_gets_strings() -> None:
    model: Any = Seen()
    assert len(PlainRuntime(model, 2).score(rows())) == len(COLORS)
    assert {table.schema.field("color").type for table in model.tables} == {pa.string()}
    assert [value for table in model.tables for value in table["color"].to_pylist()] == [*COLORS, "green"]
    assert model.tables[0]["distance"].to_pylist() == DISTANCES[:2]


class Repeats(torch.nn.Module):
    """A text's length, if it is one."""

    def forward(self, texts: list[str]) -> torch.Tensor:
        assert all(type(text) is str for text in texts)
        return torch.tensor([float(len(text)) for text in texts])


def test_a_torch_module_gets_strings() -> None:
    model = TorchModel.of(Repeats(), {}, [TensorInput(("color",), "text")])
    found = model.runtime(2, "cpu").score(rows())
    assert isinstance(found, np.ndarray)
    assert found.tolist() == [len(color or "") for color in COLORS]


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("signed", [False, True])
def test_an_mlflow_function_gets_strings(signed: bool, tmp_path: Path) -> None:
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    class Kinds(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # hints mean a signature
            kinds = [type(value).__name__ for value in model_input["color"]]
            return pd.DataFrame({"kind": kinds, "column": str(model_input["color"].dtype)})

    columns = [ColSpec("double", "distance"), ColSpec("string", "color", required=False)]
    signature = ModelSignature(inputs=Schema(columns)) if signed else None
    mlflow.pyfunc.save_model(tmp_path / "m", python_model=Kinds(), signature=signature, pip_requirements=[])
    source = ModelSource("kinds", "1", folder_digest(tmp_path / "m"), tmp_path / "m", "python_function", True)
    found = load_runtime(source, 2, "cpu", ("distance", "color")).score(rows())
    assert isinstance(found, pd.DataFrame)
    assert set(found["column"]) <= {"object", "str", "string"}
    assert [kind for kind, color in zip(found["kind"], COLORS, strict=True) if color] == ["str"] * 4
