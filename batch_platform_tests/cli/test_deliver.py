"""`batch-platform deliver` hands committed partitions to sinks, and says what became of each."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from batch_platform.cli import deliver as module
from batch_platform.cli import main
from batch_platform.cli.tables import prediction_table
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.settings import LAKE
from batch_platform.sinks.declared import FilesSink, SinkDeclaration, WebhookSink
from batch_platform_tests.lake.writers import commit_rows
from batch_platform_tests.sinks.rows import rows

TABLE, FIRST, SECOND = "predictions/flight_delay", "2026-03-02", "2026-03-03"
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def sinks(tmp_path: Path) -> list[SinkDeclaration]:
    """The sinks of the shipped prediction table in this test, which may change them."""
    return [FilesSink(f"{tmp_path}/exports/{{partition}}.jsonl"), WebhookSink("NO_SUCH_VARIABLE")]


@pytest.fixture
def command(
    tmp_path: Path,
    sinks: list[SinkDeclaration],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """Runs the command on the shipped project with two committed partitions of predictions."""
    monkeypatch.setenv(LAKE, str(tmp_path / "lake"))
    monkeypatch.delenv("NO_SUCH_VARIABLE", raising=False)
    commit_rows(Table(Lake(str(tmp_path / "lake")), TABLE), {FIRST: rows(1, 2), SECOND: rows(3)})
    found = sys.modules[module.callback.__module__]  # type: ignore[union-attr]
    monkeypatch.setattr(found, "prediction_table", lambda name: replace(prediction_table(name), sinks=tuple(sinks)))

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["batch-platform", "deliver", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_partitions_are_delivered_once_unless_told_again(command: Command, tmp_path: Path) -> None:
    file = tmp_path / f"exports/{FIRST}.jsonl"
    assert command(TABLE, FIRST, "--sink", "files") == (
        0,
        f"files: 2 rows of {FIRST}\n1 delivered, 0 there already, 0 failed\n",
        "",
    )
    assert len(file.read_text().splitlines()) == 2
    file.unlink()
    code, said, _ = command("flight_delay", "--sink", "files")
    assert (code, said) == (0, f"files: 1 rows of {SECOND}\n1 delivered, 1 there already, 0 failed\n")
    assert not file.exists()
    assert command("flight_delay", FIRST, "--sink", "files", "--again")[0] == 0
    assert file.exists()


def test_a_sink_that_fails_ends_with_its_exit_code_and_the_others_are_served(command: Command, tmp_path: Path) -> None:
    code, said, told = command("flight_delay", FIRST)
    assert code == 9
    assert said.endswith("1 delivered, 0 there already, 1 failed\n")
    assert "NO_SUCH_VARIABLE is not set" in told
    assert "predictions/flight_delay: 1 of 2 deliveries failed" in told
    assert (tmp_path / f"exports/{FIRST}.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nobody",), "there is no prediction table 'nobody' (there are flight_delay)"),
        (("flight_delay", "today"), "is not a daily partition key"),
        (("flight_delay", "--sink", "ftp"), "has no sink 'ftp' (it has files, webhook)"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(command: Command, arguments: tuple[str, ...], told: str) -> None:
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1


def test_a_table_without_sinks_says_so(command: Command, sinks: list[SinkDeclaration]) -> None:
    sinks.clear()
    assert "has no sinks (declare some under sinks:)" in command("flight_delay")[2]
