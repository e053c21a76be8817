"""Dagster's home on a laptop: made once, linked to the project's settings, never taken from the user."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batch_platform.automation.home import HOME, prepare_home
from batch_platform.lake.store import Lake
from batch_platform.settings import Settings


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a project without a Dagster home."""
    # Set first, so that what the function sets is taken back at the end of the test.
    monkeypatch.setenv(HOME, "")
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return Settings(tmp_path, Lake(str(tmp_path / "lake")), "sqlite://", str(tmp_path / "artifacts"))


def test_the_home_is_made_and_uses_the_projects_file(places: Settings) -> None:
    home = prepare_home(places)
    assert home == places.project / "local" / "dagster"
    assert os.environ[HOME] == str(home)
    link = home / "dagster.yaml"
    assert link.is_symlink()
    assert not link.readlink().is_absolute()
    (places.project / "dagster.yaml").write_text("nux: {enabled: false}\n")
    assert link.read_text() == "nux: {enabled: false}\n"


def test_a_second_time_and_after_a_move_the_link_still_points_at_the_projects_file(
    places: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = prepare_home(places) / "dagster.yaml"
    link.unlink()
    link.symlink_to(places.project / "nowhere.yaml")
    monkeypatch.setenv(HOME, "")
    prepare_home(places)
    assert link.resolve() == places.project / "dagster.yaml"


def test_a_file_that_the_user_put_there_stays(places: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    link = prepare_home(places) / "dagster.yaml"
    link.unlink()
    link.write_text("mine: true\n")
    monkeypatch.setenv(HOME, "")
    prepare_home(places)
    assert link.read_text() == "mine: true\n"


def test_a_home_that_the_environment_names_is_made_and_gets_no_configuration_of_ours(
    places: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(HOME, str(tmp_path / "mine"))
    assert prepare_home(places) == tmp_path / "mine"
    assert list((tmp_path / "mine").iterdir()) == []
    assert not (places.project / "local").exists()


def test_without_a_dagster_yaml_the_home_is_made_all_the_same(places: Settings) -> None:
    (places.project / "dagster.yaml").unlink()
    home = prepare_home(places)
    assert home.is_dir()
    assert list(home.iterdir()) == []
