"""`batch-platform vacuum`: what it says, what it refuses, and that one damaged table stops no other."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from batch_platform.cli.vacuum import vacuum
from batch_platform.errors import ConfigurationError
from batch_platform.lake.lease import lease
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform_tests.lake.writers import commit_rows

ROWS = pa.table({"a": [1, 2, 3]})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """The lake of a project in which each of two tables has a version and an old orphan."""
    monkeypatch.setenv("BATCH_PLATFORM_PROJECT", str(tmp_path))
    monkeypatch.setenv("BATCH_PLATFORM_LAKE", str(tmp_path / "lake"))
    monkeypatch.delenv("BATCH_PLATFORM_SQL_SPILL", raising=False)
    found = Lake(str(tmp_path / "lake"))
    for name in ("snapshots/a", "snapshots/b"):
        table = Table(found, name)
        commit_rows(table, {"2026-01-05": ROWS})
        for rows in (ROWS.slice(1), ROWS.slice(2)):
            os.utime(f"{table.uri}/{table.write('2026-01-06', rows).path}", (0, 0))
    spill = tmp_path / "local" / "spill" / "spill-0123"
    spill.mkdir(parents=True)
    os.utime(spill, (0, 0))
    return found


def run(*arguments: str) -> Result:
    return CliRunner().invoke(vacuum, arguments)


def test_each_table_has_its_line(place: Lake, tmp_path: Path) -> None:
    shown = run("--dry-run").output.splitlines()
    assert [line.split(": ")[0] for line in shown] == ["snapshots/a", "snapshots/b", str(tmp_path / "local" / "spill")]
    assert shown[0].startswith("snapshots/a: 2 files, ") and shown[0].endswith(" bytes would go")
    done = run().output.splitlines()
    assert done == [line.replace("would go", "deleted") for line in shown]
    assert not (tmp_path / "local" / "spill" / "spill-0123").exists()
    assert run().output.splitlines()[0] == "snapshots/a: 0 files, 0 bytes deleted"
    assert Table(place, "snapshots/a").read().num_rows == 3


def test_only_the_tables_that_are_named_are_cleaned(place: Lake, tmp_path: Path) -> None:
    assert run("snapshots/b").output.startswith("snapshots/b: 2 files")
    assert run("--dry-run").output.startswith("snapshots/a: 2 files")
    assert (tmp_path / "local" / "spill" / "spill-0123").exists()
    with pytest.raises(ConfigurationError, match="not a table name"):
        CliRunner().invoke(vacuum, ["../etc"], catch_exceptions=False)


def test_a_table_that_a_run_works_on_is_said_to_be_passed_by(place: Lake) -> None:
    with lease(place, "snapshots/a", "run"):
        said = run().output
    assert "snapshots/a: a run works on it\n" in said and "snapshots/b: 2 files" in said


def test_a_damaged_table_is_told_and_the_others_are_cleaned(place: Lake) -> None:
    newest = sorted(Path(place.uri("snapshots/a"), "_delta_log").glob("*.json"))[-1]
    newest.write_text('{"path": {')
    found = run()
    assert found.exit_code == 7 and "LakeError: snapshots/a" in found.output and "snapshots/b: 2 files" in found.output


@pytest.mark.parametrize("age", ["7", "d", "-1d", "1.5h", "7y", ""])
def test_an_age_that_means_nothing_is_refused(place: Lake, age: str) -> None:
    found = run("--older-than", age)
    assert found.exit_code == 2 and "write a number and m, h, d or w" in found.output


def test_less_than_an_hour_is_looked_at_and_never_deleted(place: Lake) -> None:
    with pytest.raises(ConfigurationError, match="less than an hour"):
        CliRunner().invoke(vacuum, ["--older-than", "59m"], catch_exceptions=False)
    assert run("--older-than", "0m", "--dry-run").exit_code == 0
    assert run("--older-than", "60m").output.startswith("snapshots/a: 2 files")
