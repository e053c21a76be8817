"""A version is loaded once in a process, only if its files are the pinned ones, and runs no code nobody agreed to."""

from __future__ import annotations

import os
import pickle
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from batch_platform.errors import ConfigurationError, ModelError
from batch_platform.models import artifact
from batch_platform.models.runtimes import loading
from batch_platform.models.runtimes.loading import KEPT, ModelSource, folder_digest, load_runtime
from batch_platform.models.runtimes.plain import PlainRuntime
from batch_platform_tests.models.registered import Line
from batch_platform_tests.models.runtimes.mlflow_models import COLUMNS, saved

_restored: list[str] = []


class Counted(Line):
    """Counts how often it is restored, and takes its time."""

    @classmethod
    def from_parts(cls, tensors: Any, config: Any) -> Any:
        _restored.append(threading.current_thread().name)
        threading.Event().wait(0.1)
        return super().from_parts(tensors, config)


class Runs(Line):
    """Makes a runtime of itself."""

    def runtime(self, batch_rows: int, device: str) -> Any:
        return batch_rows, device


def stored(model: Any, folder: Path) -> ModelSource:
    artifact.save(model, folder)
    return ModelSource("visits", "1", artifact.digest_of(model), folder)


ROWS = pa.RecordBatch.from_pydict({"distance": [0.5, 1.0, 2.0], "color": ["a", "b", None]})


def test_a_trainers_own_class_scores_through_its_predict(tmp_path: Path) -> None:
    runtime = load_runtime(stored(Line(2.0), tmp_path), 2, "cpu")
    assert isinstance(runtime, PlainRuntime)
    assert (runtime.features, runtime.holds_lock) == (("distance", "color"), True)
    assert runtime.score(ROWS).tolist() == [1, 2, 4]


def test_a_model_that_makes_a_runtime_of_itself_is_asked_for_it(tmp_path: Path) -> None:
    assert load_runtime(stored(Runs(2.0), tmp_path), 64, "auto") == (64, "auto")  # type: ignore[comparison-overlap]


def test_many_threads_load_a_model_once(tmp_path: Path) -> None:
    source = stored(Counted(3.0), tmp_path)
    _restored.clear()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: load_runtime(source, 64, "cpu"), range(32)))
    assert len(_restored) == 1
    assert all(runtime is found[0] for runtime in found)
    assert load_runtime(source, 128, "cpu") is not found[0]


def test_a_process_keeps_a_few_models(tmp_path: Path) -> None:
    for number in range(KEPT + 3):
        load_runtime(stored(Line(float(number)), tmp_path / str(number)), 64, "cpu")
    assert len(loading._loaded) == KEPT


def test_a_model_whose_output_has_another_number_of_rows_is_refused(tmp_path: Path) -> None:
    class Short(Line):
        def predict(self, batch: Any) -> Any:
            return np.zeros(batch.num_rows - 1)

    with pytest.raises(ModelError, match="gave 63 entries for 64 rows"):
        PlainRuntime(Short(1.0), 64).score(ROWS)


def test_an_unknown_device_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no device 'gpu'"):
        load_runtime(ModelSource("visits", "1", "0" * 32, tmp_path / "nothing"), 64, "gpu")


def test_a_changed_artifact_of_the_platforms_own_is_refused(tmp_path: Path) -> None:
    source = stored(Line(5.0), tmp_path)
    stored(Line(6.0), tmp_path)
    with pytest.raises(ModelError, match=f"the registry says {source.digest[:12]}"):
        load_runtime(source, 64, "cpu")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.mark.parametrize("change", ["changed", "added", "removed", "renamed", "link"])
def test_any_change_in_an_mlflow_folder_is_refused_before_it_is_loaded(
    change: str, models: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(saved("regressor", models), tmp_path / "copy")
    digest = folder_digest(folder)
    assert digest == folder_digest(saved("regressor", models))
    file = folder / "requirements.txt"
    if change == "changed":
        file.write_bytes(file.read_bytes() + b" ")
    elif change == "added":
        (folder / "sitecustomize.py").write_text("raise SystemExit")
    elif change == "removed":
        file.unlink()
    elif change == "renamed":
        file.rename(folder / "requirements.text")
    else:
        (folder / "code").symlink_to(tmp_path)
    with pytest.raises(ModelError, match=r"the registry says|must not hold links"):
        load_runtime(ModelSource("delay", "1", digest, folder, "sklearn"), 64, "cpu", COLUMNS)


def test_what_mlflow_notes_in_a_folder_that_it_was_asked_for_by_name_is_no_change(models: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(saved("regressor", models), tmp_path / "copy")
    digest = folder_digest(folder)
    (folder / "registered_model_meta").write_text("model_name: delay\n")
    assert folder_digest(folder) == digest


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (self.mark,)


def test_a_pickle_is_not_even_opened_unless_somebody_agreed(models: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(saved("forest", models), tmp_path / "copy")
    (folder / "model.pkl").write_bytes(pickle.dumps(Bomb(str(tmp_path / "mark"))))
    source = ModelSource("delay", "3", folder_digest(folder), folder, "sklearn")
    with pytest.raises(ModelError, match=r"loading delay version 3 would execute code: model\.pkl .*--allow-pickle"):
        load_runtime(source, 64, "cpu")
    assert not (tmp_path / "mark").exists()
    with pytest.raises(ModelError):
        load_runtime(replace(source, allows_code=True), 64, "cpu")
    assert (tmp_path / "mark").exists()  # so the refusal was what kept it from running


def test_loading_leaves_the_process_as_it_was(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved("forest", models)
    source = ModelSource("delay", "4", folder_digest(folder), folder, "sklearn", allows_code=True)
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert load_runtime(source, 32, "cpu").features == COLUMNS
    assert (os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"], sys.dont_write_bytecode) == ("false", False)
    assert folder_digest(folder) == source.digest


def test_a_folder_that_mlflow_cannot_load_says_which_model_it_is(models: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(saved("boosted", models), tmp_path / "copy")
    (folder / "model.ubj").write_bytes(b"{")
    with pytest.raises(ModelError, match=r"delay version 5, .*: MLflow cannot load the model: XGBoostError"):
        load_runtime(ModelSource("delay", "5", folder_digest(folder), folder, "xgboost"), 64, "cpu")
    with pytest.raises(ModelError, match="missing or empty"):
        load_runtime(ModelSource("delay", "5", "0" * 32, tmp_path / "nothing", "xgboost"), 64, "cpu")


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_a_model_that_imports_while_it_predicts_leaves_its_folder_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled files beside its modules would change the folder's digest for good."""
    import mlflow.pyfunc

    class Late(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # hints mean a signature
            from imported_while_predicting import double

            return double(model_input.distance.to_numpy())

    module = tmp_path / "imported_while_predicting.py"
    module.write_text("def double(values):\n    return values * 2\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, module.stem, raising=False)
    folder = tmp_path / "model"
    mlflow.pyfunc.save_model(folder, python_model=Late(), code_paths=[str(module)], pip_requirements=[])
    module.unlink()
    source = ModelSource("late", "1", folder_digest(folder), folder, "python_function", allows_code=True)
    sys.modules.pop(module.stem, None)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    runtime = load_runtime(source, 2, "cpu", ("distance",))
    sys.modules.pop(module.stem, None)
    assert list(runtime.score(ROWS)) == [1.0, 2.0, 4.0]
    assert folder_digest(folder) == source.digest
    assert module.stem in sys.modules
