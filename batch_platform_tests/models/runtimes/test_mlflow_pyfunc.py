"""Every flavour predicts what MLflow predicts for the same rows, and the same bits however the rows are cut."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from batch_platform.errors import ModelError
from batch_platform.models.runtimes.base import Runtime
from batch_platform.models.runtimes.code_in_artifact import description, flavor_of
from batch_platform.models.runtimes.fit import refuse_unfit
from batch_platform.models.runtimes.loading import ModelSource, folder_digest, load_runtime
from batch_platform.models.runtimes.scores import ScoreField, conform
from batch_platform_tests.models.runtimes.mlflow_models import COLUMNS, PICKLED, SAFE, rows, saved

BATCH = 256


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def source(place: Path, *, allows_code: bool = True) -> ModelSource:
    flavor = flavor_of(description(place))
    return ModelSource(place.name, "1", folder_digest(place), place, flavor, allows_code)


def loaded(name: str, folder: Path, batch_rows: int = BATCH) -> Runtime:
    return load_runtime(source(saved(name, folder)), batch_rows, "cpu", COLUMNS)


def batch(frame: pd.DataFrame) -> pa.RecordBatch:
    return pa.RecordBatch.from_pandas(frame, preserve_index=False)


def values(raw: Any) -> list[Any]:
    """Every value of raw output with every bit of it, a row at a time."""
    if isinstance(raw, dict):
        raw = np.column_stack(list(raw.values()))
    if isinstance(raw, pd.DataFrame | pd.Series):
        raw = raw.to_numpy()
    return [(str(raw.dtype), row.tobytes() if raw.dtype != object else str(row)) for row in np.asarray(raw)]


def by_mlflow(place: Path, frame: pd.DataFrame) -> Any:
    import mlflow.pyfunc

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
        return mlflow.pyfunc.load_model(str(place)).predict(frame)


@pytest.mark.parametrize("name", [*SAFE, *PICKLED])
def test_it_predicts_what_mlflow_predicts_bit_for_bit(name: str, folder: Path) -> None:
    frame = rows(BATCH, seed=1)
    expected = by_mlflow(saved(name, folder), frame)
    if name == "onnx_network":  # MLflow flattens what has several values a row
        expected = expected["score"].to_numpy().reshape(BATCH, 3)
    found = loaded(name, folder).score(batch(frame))
    if name == "forest":  # MLflow's own bits differ from call to call: two jobs add up trees in any order
        np.testing.assert_allclose(found, expected, rtol=1e-14)
    else:
        assert values(found) == values(expected)


@pytest.mark.parametrize("name", [*SAFE, *PICKLED])
def test_bits_do_not_depend_on_how_many_rows_come_together_or_where_a_row_stands(name: str, folder: Path) -> None:
    frame = rows(2 * BATCH + 37, seed=2)
    runtime = loaded(name, folder)
    whole = values(runtime.score(batch(frame)))
    for cut in (1, 3, 37, BATCH - 1, BATCH, 2 * BATCH):
        pieces = [batch(frame.iloc[start : start + cut]) for start in range(0, min(len(frame), 40 * cut), cut)]
        found = [value for piece in pieces for value in values(runtime.score(piece))]
        assert found == whole[: len(found)]
    order = np.random.default_rng(0).permutation(len(frame))
    shuffled = values(runtime.score(batch(frame.iloc[order])))
    assert [shuffled[place] for place in np.argsort(order)] == whole


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("classifier", np.float64), ("regressor", np.float64), ("boosted", np.float32), ("light", np.float64)],
)
def test_scores_keep_the_models_own_precision(name: str, dtype: Any, folder: Path) -> None:
    assert loaded(name, folder).score(batch(rows(5))).dtype == dtype


def test_what_models_give_conforms_to_declarations(folder: Path) -> None:
    def conformed(name: str, **declared: str) -> dict[str, pa.Array]:
        fields = [ScoreField.parse(column, text) for column, text in declared.items()]
        return conform(loaded(name, folder).score(batch(rows(7))), fields, 7)

    assert conformed("classifier", no="double in [0, 1]", yes="double in [0, 1]")["yes"].type == pa.float64()
    assert set(conformed("multiclass", label="text")["label"].to_pylist()) <= {"early", "late", "on time"}
    assert conformed("boosted_classifier", label="integer")["label"].type == pa.int64()
    assert conformed("onnx_network", embedding="float[3]")["embedding"].type == pa.list_(pa.float32())
    assert conformed("custom", total="double", label="text")["label"].to_pylist()[0] in ("high", "low")
    with pytest.raises(ModelError, match=r"shape \(7, 3\) for 7 rows, declared is score: float in \[0, 1\]"):
        conformed("boosted", score="probability")


def test_the_columns_come_from_the_signature_in_its_order(folder: Path) -> None:
    runtime = loaded("regressor", folder)
    assert runtime.features == COLUMNS
    frame = rows(20)
    other = frame[list(reversed(COLUMNS))].assign(more="x")
    assert values(runtime.score(batch(other))) == values(runtime.score(batch(frame)))


def test_a_model_without_a_signature_reads_the_declared_columns(folder: Path) -> None:
    assert loaded("custom", folder).features == COLUMNS
    with pytest.raises(ModelError, match="signature names no columns"):
        load_runtime(source(saved("custom", folder)), BATCH, "cpu")


def test_a_missing_column_is_named_before_anything_is_scored(folder: Path) -> None:
    schema = batch(rows(1)).schema
    refuse_unfit(loaded("regressor", folder), schema)
    with pytest.raises(ModelError, match="the model reads hour, wind, which the features lack"):
        refuse_unfit(loaded("regressor", folder), pa.schema([f for f in schema if f.name not in ("hour", "wind")]))


@pytest.mark.parametrize("kind", [pa.string(), pa.int64(), pa.bool_(), pa.date32(), pa.list_(pa.float64())])
def test_a_type_that_does_not_fit_is_named_with_the_wanted_one(kind: pa.DataType, folder: Path) -> None:
    schema = pa.schema([pa.field(f.name, kind if f.name == "hour" else f.type) for f in batch(rows(1)).schema])
    with pytest.raises(
        ModelError, match=r"feature hour: the model wants .*double.*, the column has the type " + str(kind)[:4]
    ):
        refuse_unfit(loaded("regressor", folder), schema)


@pytest.mark.parametrize("kind", [pa.float32(), pa.int32(), pa.int8()])
def test_a_type_that_mlflow_widens_safely_is_accepted_and_scored(kind: pa.DataType, folder: Path) -> None:
    frame = rows(10).assign(hour=np.arange(10))
    exact = loaded("regressor", folder).score(batch(frame.astype({"hour": "float64"})))
    given = batch(frame)
    given = given.set_column(2, pa.field("hour", kind), pa.array(np.arange(10)).cast(kind))
    refuse_unfit(loaded("regressor", folder), given.schema)
    assert values(loaded("regressor", folder).score(given)) == values(exact)


def test_a_row_that_the_model_refuses_fails_alone(folder: Path) -> None:
    frame = rows(9)
    frame.loc[4, "wind"] = np.nan
    runtime = loaded("regressor", folder)
    with pytest.raises(ValueError, match="NaN"):
        runtime.score(batch(frame))
    assert len(runtime.score(batch(frame.drop(4)))) == 8


def test_only_flavours_that_predict_in_the_interpreter_hold_its_lock(folder: Path) -> None:
    held = {
        name: loaded(name, folder).holds_lock for name in ("classifier", "custom", "boosted", "light", "onnx_network")
    }
    assert held == {"classifier": True, "custom": True, "boosted": False, "light": False, "onnx_network": False}


def test_an_onnx_session_has_one_thread(folder: Path) -> None:
    options = loaded("onnx_network", folder).function.get_raw_model().get_session_options()  # type: ignore[attr-defined]
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)


def test_an_optional_input_is_filled_from_a_declared_feature_and_from_no_other_column(tmp_path: Path) -> None:
    from mlflow.models import ModelSignature
    from mlflow.pyfunc import PythonModel, save_model
    from mlflow.types import ColSpec, Schema

    class Seen(PythonModel):
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # hints mean a signature
            given = "b" in model_input and model_input["b"].notna().all()
            return (model_input["b"] if given else model_input["a"] * 0).to_numpy()

    inputs = Schema([ColSpec("double", "a"), ColSpec("double", "b", required=False)])
    outputs = Schema([ColSpec("double", "score")])
    save_model(
        tmp_path / "seen", python_model=Seen(), signature=ModelSignature(inputs, outputs), pip_requirements=["mlflow"]
    )
    given = batch(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}))
    for declared, expected in ((("a",), [0.0, 0.0]), (("a", "b"), [3.0, 4.0])):
        runtime = load_runtime(source(tmp_path / "seen"), BATCH, "cpu", declared)
        assert runtime.features == ("a",)
        assert list(runtime.score(given)) == expected
