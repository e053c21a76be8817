"""`batch-platform arrived` tells Dagster, and refuses what cannot arrive in one line with its exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from batch_platform.automation.reporting import asset_key
from batch_platform.cli import main
from batch_platform.settings import PROJECT

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command with an own home for Dagster."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.setenv(PROJECT, str(Path(__file__).parents[2]))

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["batch-platform", "arrived", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
            sys.exit(0)
        said = capsys.readouterr()
        code = ended.value.code
        return code if isinstance(code, int) else 0, said.out, said.err

    return run


def test_what_is_said_to_have_arrived_stands_in_dagster(command: Command) -> None:
    code, out, err = command("aircraft", "--reason", "new types")
    assert (code, err) == (0, "") and out == "snapshots/aircraft: noted its arrival\n"
    with dg.DagsterInstance.get() as instance:
        [record] = instance.fetch_observations(asset_key("snapshots/aircraft"), 5).records
    told = record.asset_observation
    assert told is not None and told.metadata["reason"].value == "new types" and told.partition is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("trains",), "ConfigurationError: there is no snapshot 'trains' (there are snapshots/"),
        (("aircraft", "2026-01-05"), "PartitionKeyError: snapshots/aircraft: has no partitions"),
    ],
)
def test_what_cannot_arrive_is_one_line_and_an_exit_code(
    command: Command, arguments: tuple[str, ...], words: str
) -> None:
    code, out, err = command(*arguments)
    assert (code, out) == (2, "") and err.startswith(words) and err.count("\n") == 1
