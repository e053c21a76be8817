"""Which file of an MLflow model's folder would execute code of its own when the model is loaded, if any.

A pickle can run anything, and so can a folder that brings Python modules. What is known to hold numbers and structure
only is listed here; everything else counts as code. MLflow's own switch knows a part of these cases only.

Belongs here: that judgement, from the folder's description and its files' names. Does not belong here: loading.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from batch_platform.errors import ModelError, first_line

DESCRIPTION = "MLmodel"
FUNCTION = "python_function"

_DATA_ONLY = frozenset({"mlflow.onnx", "mlflow.catboost", "batch_platform.models.pyfunc"})
"""Loaders whose files hold no code whatever else the description says."""

_XGBOOST = frozenset(
    {
        "xgboost.core.Booster",
        *(
            f"xgboost.sklearn.XGB{kind}"
            for kind in ("Classifier", "Regressor", "Ranker", "RFClassifier", "RFRegressor")
        ),
    }
)
_LIGHTGBM = frozenset(
    {
        "lightgbm.basic.Booster",
        *(f"lightgbm.sklearn.LGBM{kind}" for kind in ("Classifier", "Regressor", "Ranker", "Model")),
    }
)
_TRUSTED = frozenset({"collections.OrderedDict", "numpy.dtype", *_XGBOOST, *_LIGHTGBM})
"""Types that a skops file may ask to be trusted: making one of them runs nothing that the file brings."""


def description(folder: Path) -> Mapping[str, Any]:
    """MLflow's description of the model in a folder.

    Raises:
        ModelError: there is none, or none that says how Python loads it.
    """
    try:
        found = yaml.safe_load((folder / DESCRIPTION).read_text("utf-8"))
        loader = found["flavors"][FUNCTION]["loader_module"]
    except (OSError, UnicodeError, yaml.YAMLError, LookupError, TypeError) as error:
        raise ModelError(
            f"this is no MLflow model that Python can load: {first_line(error)}",
            where=str(folder / DESCRIPTION),
            fix="log the model with a flavour of MLflow that has python_function",
        ) from error
    if not isinstance(loader, str):
        raise ModelError("loader_module is no text", where=str(folder / DESCRIPTION), fix="log the model again")
    return dict(found)


def flavor_of(described: Mapping[str, Any]) -> str:
    """The flavour that predicts, such as `sklearn`; `python_function` for any other code."""
    loader = described["flavors"][FUNCTION]["loader_module"]
    flavor = str(loader).removeprefix("mlflow.")
    return flavor if flavor != loader and flavor in described["flavors"] else FUNCTION


def code_in(described: Mapping[str, Any]) -> str | None:
    """The file or folder, relative to the model's, that executes code when the model is loaded; None if none does."""
    flavors = described["flavors"]
    function = flavors[FUNCTION]
    brought = [conf["code"] for conf in flavors.values() if isinstance(conf, Mapping) and conf.get("code")]
    if brought:
        return str(brought[0])
    loader, place = function["loader_module"], str(function.get("data") or function.get("model_path") or "")
    named = str(function.get("python_model") or place or f"{DESCRIPTION}, which names the loader {loader},")
    if loader in _DATA_ONLY:
        return None
    # A loader looks for its own description beside the file that it is told to read.
    flavor = flavors.get(loader.removeprefix("mlflow."))
    if not isinstance(flavor, Mapping) or "/" in place or "\\" in place or place in ("", ".", ".."):
        return named
    model_class = flavor.get("model_class")
    if loader == "mlflow.xgboost" and model_class in _XGBOOST:
        return None
    if loader == "mlflow.lightgbm" and model_class == "lightgbm.basic.Booster":
        return None
    if loader == "mlflow.sklearn" or (loader == "mlflow.lightgbm" and model_class in _LIGHTGBM):
        trusted = flavor.get("skops_trusted_types") or []
        if flavor.get("serialization_format") == "skops" and set(map(str, trusted)) <= _TRUSTED:
            return None
    return named


def refuse_compiled(folder: Path) -> None:
    """Refuse compiled Python modules, which Python may prefer to the source that somebody has read and agreed to.

    They are not left out of the folder's digest instead: whoever could plant one could then have it executed.

    Raises:
        ModelError: naming the first of them.
    """
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.py[co]"))
    if found:
        raise ModelError(
            "the model's folder holds compiled Python",
            where=f"{folder}/{found[0]}",
            fix="delete its __pycache__ folders, or log the model again without them, and adopt it then",
        )
