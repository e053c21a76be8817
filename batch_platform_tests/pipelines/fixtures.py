"""Fixtures of the tests that run a temporary project; a folder's `conftest.py` imports them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from batch_platform.automation.local_events import speed_up_local_events
from batch_platform.settings import ARTIFACTS, LAKE, LAKE_OPTIONS, PROJECT, REGISTRY, Settings
from batch_platform_tests.pipelines.project import Project

__all__ = ["instance", "project", "settings"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with the pipeline `repeat_purchase` and no data; lake and registry lie inside it."""
    for name in (LAKE, LAKE_OPTIONS, REGISTRY, ARTIFACTS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(PROJECT, str(tmp_path / "project"))
    created = Project.create(tmp_path / "project")
    created.add("repeat_purchase")
    return created


@pytest.fixture
def settings(project: Project) -> Settings:
    """The project's settings."""
    return Settings.from_environment()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster with SQLite files in a folder of its own."""
    speed_up_local_events()
    home = tmp_path / "dagster"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home), overrides={"telemetry": {"enabled": False}}) as found:
        yield found
