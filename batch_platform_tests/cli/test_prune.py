"""`batch-platform prune`: what it says and what it refuses; which runs may go is tested with the function."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from batch_platform.cli.prune import prune
from batch_platform.errors import ConfigurationError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Dagster's home with a run that has just been cancelled."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("BATCH_PLATFORM_PROJECT", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.get() as instance:
        instance.run_storage.add_run(dg.DagsterRun("job", status=dg.DagsterRunStatus.CANCELED))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(prune, arguments, catch_exceptions=False)


def test_runs_that_are_younger_than_the_limit_stay(home: Path) -> None:
    assert run().output == "0 runs deleted; 0 as old stay, since partitions rest on them\n"


def test_a_dry_run_deletes_nothing(home: Path) -> None:
    for _ in range(2):
        assert run("--dry-run", "--runs-older-than", "0m").output.startswith("1 runs would go; 0 as old stay")


@pytest.mark.parametrize("age", ["3h", "0d"])
def test_runs_of_today_are_not_deleted(home: Path, age: str) -> None:
    with pytest.raises(ConfigurationError, match="less than a day"):
        run("--runs-older-than", age)


def test_an_age_that_is_none_is_refused_by_the_command(home: Path) -> None:
    found = run("--runs-older-than", "long")
    assert found.exit_code == 2 and "is no age" in found.output
