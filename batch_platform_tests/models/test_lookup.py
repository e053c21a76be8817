"""A model is found by name, by name and version, or by folder, and described in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.errors import ModelError, RegistryError
from batch_platform.models.artifact import CONFIG, digest_of, save
from batch_platform.models.lookup import find_model
from batch_platform_tests.models.registered import Line, registered, settings_in


def test_names_mean_the_champion_and_numbers_any_version(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    registered(settings, Line(0.5))
    registered(settings, Line(0.6), promote=False)
    for reference, model, number in (("visits", Line(0.5), "1"), ("visits@2", Line(0.6), "2")):
        found, described = find_model(reference, settings)
        assert digest_of(found) == digest_of(model)
        assert described == f"visits version {number}, digest {digest_of(model)[:12]}"
    for reference in ("nobody", "visits@3", "visits@x"):
        with pytest.raises(RegistryError):
            find_model(reference, settings)


def test_a_folder_of_the_models_two_files_needs_no_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_in(tmp_path)
    save(Line(0.5), tmp_path / "given" / "model")
    found, described = find_model(str(tmp_path / "given" / "model"), settings)
    assert digest_of(found) == digest_of(Line(0.5)) and digest_of(Line(0.5))[:12] in described
    (tmp_path / "given" / "model" / CONFIG).write_text("{")
    with pytest.raises(ModelError):
        find_model(str(tmp_path / "given" / "model"), settings)
    with pytest.raises(ModelError):
        find_model(str(tmp_path / "given"), settings)
    # A folder that happens to be called like a registered model does not hide it.
    registered(settings, Line(0.5))
    (tmp_path / "visits").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_model("visits", settings)[1].startswith("visits version 1")
