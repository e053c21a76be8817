"""Small models of every flavour that tests hold against MLflow itself."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

QUICK: dict[str, Any] = {"pip_requirements": []}
"""MLflow would find out requirements by loading each model in a process of its own."""

COLUMNS = ("distance", "delay", "hour", "speed", "wind")


def rows(count: int, seed: int = 0) -> pd.DataFrame:
    """Feature rows, some with missing values in `wind`."""
    values = np.random.default_rng(seed).normal(size=(count, len(COLUMNS)))
    return pd.DataFrame(values, columns=list(COLUMNS))


def _signature(model: Any) -> Any:
    from mlflow.models import infer_signature

    return infer_signature(rows(5), model.predict(rows(5)))


def _labels(frame: pd.DataFrame, kinds: int = 2) -> Any:
    score = (frame.distance + frame.delay * frame.hour).to_numpy()
    return np.digitize(score, np.quantile(score, np.linspace(0, 1, kinds + 1)[1:-1]))


def classifier(folder: Path) -> None:
    import mlflow.sklearn
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows(300), _labels(rows(300)))
    mlflow.sklearn.save_model(model, folder, signature=_signature(model), pyfunc_predict_fn="predict_proba", **QUICK)


def regressor(folder: Path) -> None:
    import mlflow.sklearn
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(rows(300), rows(300).distance * 2 + rows(300).delay ** 2)
    mlflow.sklearn.save_model(model, folder, signature=_signature(model), **QUICK)


def multiclass(folder: Path) -> None:
    import mlflow.sklearn
    from sklearn.linear_model import LogisticRegression

    names = np.array(["early", "late", "on time"])
    model = LogisticRegression().fit(rows(300), names[_labels(rows(300), 3)])
    mlflow.sklearn.save_model(model, folder, signature=_signature(model), **QUICK)


def forest(folder: Path) -> None:
    """Pickled, and with several jobs, whose sums come in any order."""
    import mlflow.sklearn
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(8, max_depth=4, n_jobs=2, random_state=0).fit(rows(300), _labels(rows(300), 3))
    mlflow.sklearn.save_model(
        model,
        folder,
        signature=_signature(model),
        pyfunc_predict_fn="predict_proba",
        serialization_format="pickle",
        **QUICK,
    )


def boosted(folder: Path) -> None:
    import mlflow.xgboost
    import xgboost

    data = xgboost.DMatrix(rows(300), _labels(rows(300), 3))
    model = xgboost.train({"objective": "multi:softprob", "num_class": 3, "nthread": 1}, data, 5)
    from mlflow.models import infer_signature

    signature = infer_signature(rows(5), model.predict(xgboost.DMatrix(rows(5))))
    mlflow.xgboost.save_model(model, folder, signature=signature, **QUICK)


def boosted_classifier(folder: Path) -> None:
    import mlflow.xgboost
    import xgboost

    model = xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(rows(300), _labels(rows(300)))
    mlflow.xgboost.save_model(model, folder, signature=_signature(model), **QUICK)


def light(folder: Path) -> None:
    import lightgbm
    import mlflow.lightgbm

    data = lightgbm.Dataset(rows(300), _labels(rows(300)))
    model = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 5)
    mlflow.lightgbm.save_model(model, folder, signature=_signature(model), **QUICK)


def onnx_network(folder: Path) -> None:
    """score = sigmoid(x W + b) and an embedding of three numbers, from one tensor of float32."""
    import mlflow.onnx
    import onnx
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(3).normal(size=(len(COLUMNS), 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["product"]), helper.make_node("Sigmoid", ["product"], ["score"])],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, len(COLUMNS)])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 3])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    inputs = Schema([ColSpec("double", name) for name in COLUMNS])
    mlflow.onnx.save_model(model, folder, signature=ModelSignature(inputs=inputs), **QUICK)


def custom(folder: Path) -> None:
    """A function of a user's own: cloudpickled, without a signature, one output by name each."""
    import mlflow.pyfunc

    class Sum(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # hints mean a signature
            total = model_input.sum(axis=1)
            return pd.DataFrame({"total": total, "label": np.where(total > 0, "high", "low")})

    mlflow.pyfunc.save_model(folder, python_model=Sum(), **QUICK)


SAFE: dict[str, Callable[[Path], None]] = {
    "classifier": classifier,
    "regressor": regressor,
    "multiclass": multiclass,
    "boosted": boosted,
    "boosted_classifier": boosted_classifier,
    "light": light,
    "onnx_network": onnx_network,
}
"""Models whose files hold no code."""

PICKLED: dict[str, Callable[[Path], None]] = {"forest": forest, "custom": custom}


def saved(name: str, folder: Path) -> Path:
    """The folder of a model of this name, made in `folder` unless it is there."""
    place = folder / name
    if not place.exists():
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            {**SAFE, **PICKLED}[name](place)
    return place
