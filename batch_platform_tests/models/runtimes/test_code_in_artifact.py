"""Only what is known to hold no code passes as such, however a description is dressed up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from batch_platform.errors import ModelError
from batch_platform.models.runtimes.code_in_artifact import code_in, description, flavor_of

SKOPS = {"serialization_format": "skops", "skops_trusted_types": None}
XGB = {"model_class": "xgboost.core.Booster"}
LGB = {"model_class": "lightgbm.sklearn.LGBMRegressor", **SKOPS}


def described(loader: str, flavor: Any = None, **function: Any) -> dict[str, Any]:
    name = loader.removeprefix("mlflow.")
    flavors: dict[str, Any] = {"python_function": {"loader_module": loader, **function}}
    return {"flavors": flavors | ({name: flavor} if flavor is not None else {})}


@pytest.mark.parametrize(
    "harmless",
    [
        described("mlflow.sklearn", SKOPS, model_path="model.skops"),
        described("mlflow.xgboost", XGB, data="model.ubj"),
        described("mlflow.xgboost", {"model_class": "xgboost.sklearn.XGBClassifier"}, data="model.json"),
        described("mlflow.lightgbm", {"model_class": "lightgbm.basic.Booster"}, data="model.lgb"),
        described("mlflow.lightgbm", {**LGB, "skops_trusted_types": ["lightgbm.basic.Booster"]}, data="model.skops"),
        described("mlflow.onnx", {"data": "model.onnx"}, data="model.onnx"),
        described("mlflow.sklearn", {**SKOPS, "code": None}, model_path="model.skops", code=None),
    ],
)
def test_formats_that_hold_data_only_pass(harmless: dict[str, Any]) -> None:
    assert code_in(harmless) is None


@pytest.mark.parametrize(
    ("harmful", "named"),
    [
        (described("mlflow.sklearn", {"serialization_format": "pickle"}, model_path="model.pkl"), "model.pkl"),
        (described("mlflow.sklearn", {"serialization_format": "cloudpickle"}, model_path="m"), "m"),
        (described("mlflow.sklearn", {}, model_path="model.skops"), "model.skops"),
        (described("mlflow.sklearn", None, model_path="model.skops"), "model.skops"),
        (described("mlflow.sklearn", {**SKOPS, "skops_trusted_types": ["os.system"]}, model_path="m.skops"), "m.skops"),
        (described("mlflow.sklearn", SKOPS, model_path="inner/model.skops"), "inner/model.skops"),
        (described("mlflow.sklearn", SKOPS, data="../other"), "../other"),
        (described("mlflow.sklearn", SKOPS, model_path="m.skops", code="code"), "code"),
        (described("mlflow.onnx", {"code": "code", "data": "m.onnx"}, data="m.onnx"), "code"),
        (described("mlflow.xgboost", {"model_class": "os.system"}, data="model.xgb"), "model.xgb"),
        (described("mlflow.lightgbm", {**LGB, "serialization_format": "pickle"}, data="model.pkl"), "model.pkl"),
        (described("mlflow.lightgbm", {**LGB, "model_class": "subprocess.Popen"}, data="m.lgb"), "m.lgb"),
        (described("mlflow.pytorch", {}, data="data"), "data"),
        (described("mlflow.pyfunc.model", None, python_model="python_model.pkl"), "python_model.pkl"),
        (described("antigravity"), "MLmodel, which names the loader antigravity,"),
    ],
)
def test_everything_else_names_the_file_that_runs(harmful: dict[str, Any], named: str) -> None:
    assert code_in(harmful) == named


def test_the_flavour_is_the_one_that_predicts() -> None:
    assert flavor_of(described("mlflow.sklearn", SKOPS)) == "sklearn"
    assert flavor_of(described("mlflow.pyfunc.model")) == "python_function"
    assert (
        flavor_of({"flavors": {"batch_platform": {}, "python_function": {"loader_module": "x"}}}) == "python_function"
    )


@pytest.mark.parametrize(
    "text",
    ["", "[]", "flavors: {sklearn: {}}", "flavors: 3", "a: b: c", "flavors: {python_function: {loader_module: 3}}"],
)
def test_a_folder_without_a_usable_description_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(ModelError, match=r"MLmodel: (this is no MLflow model|loader_module is no text)"):
        description(tmp_path)
