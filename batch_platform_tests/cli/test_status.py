"""`batch-platform status` says how partitions stand by their deadlines; it starts and reports nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from batch_platform.automation import clock
from batch_platform.automation.home import HOME
from batch_platform.cli import main
from batch_platform.settings import ARTIFACTS, LAKE, REGISTRY

TABLE = "predictions/flight_delay"
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command on the shipped project with an empty lake, on a Saturday at noon in New York."""
    monkeypatch.setenv(LAKE, str(tmp_path / "lake"))
    monkeypatch.setenv(REGISTRY, f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv(ARTIFACTS, str(tmp_path / "artifacts"))
    monkeypatch.setenv(HOME, str(tmp_path / "home"))
    noon = datetime(2026, 11, 21, 12, tzinfo=ZoneInfo("America/New_York"))

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["batch-platform", "status", *arguments])
        with clock.at(noon), pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_a_table_is_shown_with_state_deadline_lateness_and_reason(command: Command, tmp_path: Path) -> None:
    code, out, _ = command()
    assert code == 0
    rows = [line.split() for line in out.splitlines()[1:]]
    assert [row[1] for row in rows] == [f"2026-11-{day}" for day in range(15, 22)]
    newest = " ".join(rows[-1])
    assert newest.startswith(f"{TABLE} 2026-11-21 overdue 2026-11-20 20:00 EST 16 h snapshots/"), newest
    with dg.DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        assert instance.get_runs_count() == 0


def test_one_table_is_shown_whole_with_the_partition_that_is_due_next(command: Command) -> None:
    code, out, _ = command(TABLE, "--json")
    found = json.loads(out)
    assert code == 0
    assert [(each["partition"], each["state"]) for each in found][-2:] == [
        ("2026-11-21", "overdue"),
        ("2026-11-22", "due"),
    ]
    assert found[-2]["due"] == "2026-11-20T20:00:00-05:00" and found[-2]["late_by_seconds"] == 16 * 3600
    assert found[-2]["waits_for"]["table"].startswith("snapshots/")
    assert found[-1]["reason"].endswith("can be made from 2026-11-21 18:00 EST on")
    assert set(found[0]) == {
        "table",
        "partition",
        "state",
        "due",
        "late_by_seconds",
        "reason",
        "waits_for",
        "run_id",
    }


def test_whoever_wants_to_fail_for_what_is_overdue_gets_an_exit_code(command: Command) -> None:
    code, out, told = command("--fail-overdue")
    assert code == 11 and "overdue" in out
    assert told == "OverdueError: 7 partitions are overdue (see above, or batch-platform status)\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nobody", f"there is no table 'nobody' (those with slo.due are {TABLE})"),
        ("features/flight_features", f"features/flight_features has no deadline (those with slo.due are {TABLE})"),
    ],
)
def test_a_table_that_is_not_judged_is_told_with_those_that_are(command: Command, name: str, said: str) -> None:
    code, out, told = command(name)
    assert (code, out) == (2, "") and said in told
