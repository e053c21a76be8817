"""A temporary project for scaffolding: stations with what they did each day, and for how long they stood empty."""

from __future__ import annotations

import csv
import random
from datetime import date, timedelta
from pathlib import Path

import pytest

from batch_platform.settings import ARTIFACTS, LAKE, LAKE_OPTIONS, PROJECT, REGISTRY
from batch_platform_tests.pipelines.project import Project

FIRST = date(2025, 1, 5)
DG = """directory_type = "project"
[project]
root_module = "temporary_project"
code_location_target_module = "location"
registry_modules = ["batch_platform"]
[cli.telemetry]
enabled = false
[cli]
suppress_warnings = ["project_and_activated_venv_mismatch"]
"""


def stations(root: Path, monkeypatch: pytest.MonkeyPatch, days: int = 1) -> Project:
    """A project with data and no pipeline; `root` becomes the project of this process."""
    for name in (LAKE, LAKE_OPTIONS, REGISTRY, ARTIFACTS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(PROJECT, str(root))
    monkeypatch.chdir(root.parent)
    project = Project.create(root)
    (root / "dg.toml").write_text(DG)
    chance = random.Random(7)
    for offset in range(days):
        day = FIRST + timedelta(days=offset)
        facts, outcomes = [], []
        for number in range(1, 61):
            bikes = chance.randint(0, 20)
            facts.append([number, "ABC"[number % 3], 12 + number % 3, bikes, f"0{number}", round(chance.random(), 3)])
            outcomes.append([number, max(0, 60 - 5 * bikes)])
        header = ["station_id", "district", "Docks Count", "bikes_count", "zip", "order"]
        _write(root / f"data/station_days/{day}.csv", [header, *facts])
        _write(root / f"data/outages/{day}.csv", [["station_id", "empty_minutes"], *outcomes])
    return project


def target(project: Project, path: str) -> Path:
    """The folder that `dg scaffold defs` makes for a path."""
    folder = project.root / "temporary_project" / "defs" / path
    folder.mkdir(parents=True)
    return folder


def _write(path: Path, rows: list[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
