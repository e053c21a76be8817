"""A change of the code that makes scores changes their fingerprint; nothing that is named is imported for that."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from batch_platform.models.runtimes.loading import ModelSource
from batch_platform.predictions.code import model_code, scoring_code


@pytest.fixture(autouse=True)
def fresh() -> None:
    model_code.cache_clear()


def built_in(folder: Path, **config: str) -> ModelSource:
    named = ", ".join(f'"{name}": "{value}"' for name, value in config.items())
    folder.mkdir(exist_ok=True)
    (folder / "model.json").write_text(f"{{{named}}}")
    return ModelSource("visits", "1", "d", folder)


@pytest.mark.parametrize("field", ["runtime", "module"])
@pytest.mark.parametrize("edited", ["net.py", "layers.py"])
def test_the_source_of_a_named_class_counts_with_what_lies_beside_it_and_is_not_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, edited: str
) -> None:
    package = tmp_path / "brought_along" / "nets"
    package.mkdir(parents=True)
    for place in (package.parent / "__init__.py", package / "__init__.py", package / "net.py", package / "layers.py"):
        place.write_text("raise RuntimeError('executed')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    source = built_in(tmp_path / "model", **{field: "brought_along.nets.net:Net"})
    before = model_code(source, "cpu")
    model_code.cache_clear()
    assert model_code(source, "cpu") == before
    model_code.cache_clear()
    (package / edited).write_text("raise RuntimeError('executed, too')\n")
    assert model_code(source, "cpu") != before
    assert "brought_along" not in sys.modules


@pytest.mark.parametrize("name", ["no.such.module:Net", "__main__:Net", "", "a..b:C", "builtins:object"])
def test_a_class_without_source_is_left_to_loading(tmp_path: Path, name: str) -> None:
    assert model_code(built_in(tmp_path, runtime=name), "cpu") == (f"{name} without source", "cpu")


def test_a_model_without_its_file_is_left_to_loading(tmp_path: Path) -> None:
    assert model_code(ModelSource("visits", "1", "d", tmp_path / "gone"), "cpu") == ("unreadable", "cpu")


def test_what_an_mlflow_model_requires_counts_by_the_version_that_is_installed(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(
        "# comment\nmlflow==1.0\n--pre\npyarrow[x]>=1; python_version>'3'\nno-such-1\n"
    )
    source = ModelSource("visits", "1", "d", tmp_path, "pyfunc")
    from importlib.metadata import version

    *code, device = model_code(source, "cpu")
    assert code[1:] == [f"mlflow {version('mlflow')}", "no-such-1 None", f"pyarrow {version('pyarrow')}"]
    assert device == "cpu"


def test_a_device_counts_as_it_was_found(tmp_path: Path) -> None:
    import torch

    device = model_code(built_in(tmp_path), "auto")[-1]
    assert device == (f"cuda {torch.cuda.get_device_name()}" if torch.cuda.is_available() else "cpu")


def test_the_platforms_own_sources_count() -> None:
    assert any(part.startswith("sources ") for part in scoring_code())
