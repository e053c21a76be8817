"""Tests on sources and seeds: run before anything is made of their rows, or refused when definitions load."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.errors import ConfigurationError, ContractError
from batch_platform.features.input_tests import declared_tests
from batch_platform.features.seeds import seed_columns, seed_snapshot
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.snapshots.capture import Snapshot, capture
from batch_platform.sql.project import load_project
from batch_platform.telemetry.cost import Meter
from batch_platform_tests.features.projects import read_project, write
from batch_platform_tests.features.tables import RUN, Given, built

SEEDS = "seeds:\n  - name: sizes\n    columns:\n      - name: runways\n        data_tests: [unique]\n"
SOURCES = (
    "sources:\n  - name: raw\n    tables:\n      - name: airports\n        columns:\n          - name: runways\n"
    "            data_tests: [{accepted_values: {values: [2, 3]}}]\n"
)
MODELS = {
    "models/a.sql": "SELECT * FROM {{ source('raw', 'airports') }}",
    "models/b.sql": "SELECT * FROM {{ source('raw', 'airports') }} WHERE runways > 1",
}


def test_a_seed_whose_rows_break_its_tests_is_not_captured(tmp_path: Path) -> None:
    root = write(tmp_path, {"seeds/sizes.csv": "runways,size\n2,small\n2,large\n", "seeds/seeds.yml": SEEDS})
    project = load_project(root)
    (seed,) = project.seeds()
    tests = declared_tests(project, seed.entry, seed.table, seed_columns(seed))
    lake = Lake(str(tmp_path / "lake"))
    (outcome,) = capture(seed_snapshot(seed, root, tests), lake, [""], RUN, Meter(0.04))
    assert "2 of 2 rows break its tests (runways: unique: 2)" in str(outcome.error)
    assert Table(lake, "seeds/sizes").version() == -1
    (outcome,) = capture(seed_snapshot(seed, root), lake, [""], RUN, Meter(0.04))
    assert outcome.error is None


def test_a_source_is_judged_before_the_first_model_that_reads_it(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    rows = {"": {"airport": ["EWR", "JFK"], "runways": [3, 4]}}
    capture(Snapshot("airports", Given("airports", rows)), lake, [""], RUN, Meter(0.04))
    tables = read_project(tmp_path, {**MODELS, "models/sources.yml": SOURCES})
    assert {name: list(table.input_tests) for name, table in tables.items()} == {"a": ["snapshots/airports"], "b": []}
    (outcome,) = built(tables["a"], lake, [""])
    assert isinstance(outcome.error, ContractError)
    assert "snapshots/airports: 1 of 2 rows break its tests (runways: accepted_values(2, 3): 1)" in str(outcome.error)
    good = read_project(tmp_path, {"models/sources.yml": SOURCES.replace("[2, 3]", "[3, 4]")})
    assert built(good["a"], lake, [""])[0].error is None


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        ("[uniqe]", "unknown test uniqe"),
        ("[{relationships: {to: ref('a'), field: runways}}]", "do not run on snapshots/airports, which is no model"),
    ],
)
def test_what_would_not_run_is_refused_at_its_line(tmp_path: Path, tests: str, said: str) -> None:
    wrong = SOURCES.replace("[{accepted_values: {values: [2, 3]}}]", tests)
    with pytest.raises(ConfigurationError, match=said) as told:
        read_project(tmp_path, {**MODELS, "models/sources.yml": wrong})
    assert "models/sources.yml:" in str(told.value)
