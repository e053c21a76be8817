"""The real `dg scaffold defs`: a pipeline from a CSV file that loads and runs, and mistakes that leave nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner, Result
from dagster_dg_cli.cli import create_dg_cli

import batch_platform
from batch_platform.automation.catch_up import Wanted
from batch_platform.lake.table import Table
from batch_platform.settings import Settings
from batch_platform_tests.pipelines.fixtures import instance
from batch_platform_tests.pipelines.project import Project, run
from batch_platform_tests.scaffold.project import stations

__all__ = ["instance"]

DAYS = tuple(f"2025-01-{day:02}" for day in range(5, 21))
PACKAGE = "batch_platform"


def command(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    """The real command in a process of its own, which takes seconds to start."""
    package = str(Path(batch_platform.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([package, str(project.root)]), "COLUMNS": "200"}
    environment |= {"DAGSTER_DISABLE_TELEMETRY": "1", "DG_CLI_CONFIG": str(project.root / "none.toml")}
    program = str(Path(sys.executable).with_name("dg"))
    return subprocess.run([program, *words], cwd=project.root, env=environment, capture_output=True, text=True)


def here(*words: str) -> Result:
    """The same command in this process, for the project in the working directory."""
    return CliRunner().invoke(create_dg_cli(), words)


@pytest.mark.slow
def test_what_is_scaffolded_in_order_loads_and_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    project = stations(tmp_path / "project", monkeypatch, days=len(DAYS))
    sample = f"data/station_days/{DAYS[0]}.csv"
    words = (f"{PACKAGE}.InputSnapshot", "bikes/station_days", "--sample", sample)
    first = command(project, "scaffold", "defs", *words)
    assert first.returncode == 0, first.stderr
    assert "Added InputSnapshot to" in first.stdout
    monkeypatch.chdir(project.root)
    for component, path, *options in (
        ("InputSnapshot", "bikes/outages", "--sample", f"data/outages/{DAYS[0]}.csv"),
        ("FeatureTables", "bikes/features", "--from-snapshot", "station_days", "--carried", "zip"),
        (
            *("ModelVersion", "bikes/model", "--features", "station_days_features", "--label-from", "outages"),
            *("--label", "empty_minutes > 20", "--serving-window", "weekly", "--lookback", "1 week"),
        ),
        ("PredictionTable", "bikes/predictions", "--registered-model", "bikes"),
    ):
        made = here("scaffold", "defs", f"{PACKAGE}.{component}", path, *options)
        assert made.exit_code == 0, made.output
        assert f"Added {component} to" in made.output
    folder = project.defs("bikes").parent
    assert [path.name for path in folder.iterdir()] == ["defs.yaml"]
    assert [document["type"] for document in project.documents("bikes")] == [
        *[f"{PACKAGE}.InputSnapshot"] * 2,
        f"{PACKAGE}.FeatureTables",
        f"{PACKAGE}.ModelVersion",
        f"{PACKAGE}.PredictionTable",
    ]
    checked = here("check", "yaml")
    assert checked.exit_code == 0, checked.output

    definitions, settings = project.definitions(), Settings.from_environment()
    features = "features/station_days_features"
    for wanted in (
        Wanted("snapshots/station_days", DAYS),
        Wanted("snapshots/outages", DAYS),
        Wanted(features, DAYS, ("quarantine/station_days_features",)),
        Wanted("models/bikes", ("2025-01-19",), in_lake=False),
        Wanted("predictions/bikes", DAYS[-1:], ("quarantine/bikes",)),
    ):
        assert run(definitions, instance, wanted, settings) == list(wanted.keys)
    rows = Table(settings.lake, features).read([DAYS[0]])
    assert rows.num_rows == 60 and rows.column("zip").to_pylist()[0] == "01"
    scored = Table(settings.lake, "predictions/bikes").read([DAYS[-1]])
    assert scored.num_rows == 60 and all(0 <= score <= 1 for score in scored.column("bikes_probability").to_pylist())


def test_a_mistake_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = stations(tmp_path / "project", monkeypatch)
    before = sorted(project.root.rglob("*"))
    monkeypatch.chdir(project.root)
    found = here("scaffold", "defs", f"{PACKAGE}.InputSnapshot", "bikes/days", "--sample", "data/none.csv")
    assert found.exit_code == 1 and isinstance(found.exception, SystemExit)
    (line,) = found.stderr.strip().splitlines()
    assert line.startswith("Error: ") and "none.csv: there is no such file" in line
    assert sorted(path for path in project.root.rglob("*") if "__pycache__" not in str(path)) == before
