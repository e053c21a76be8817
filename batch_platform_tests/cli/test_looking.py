"""The commands that look and change nothing: SQL as it would run, lineage, contracts, sources; their exit codes."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from batch_platform.automation.location import load_components
from batch_platform.cli import main
from batch_platform.features.component import sql_models
from batch_platform.settings import LAKE, Settings
from batch_platform.sql.project import Project, load_project

Command = Callable[..., tuple[int, str, str]]
DAY = "2026-03-02"


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command on the shipped project with an empty lake."""
    monkeypatch.setenv(LAKE, str(tmp_path / "lake"))

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["batch-platform", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_the_sql_of_a_partition_is_shown_at_each_stage(command: Command) -> None:
    code, final, _ = command("sql", "show", "flight_features", "--partition", DAY)
    assert code == 0 and "ORDER BY" in final and '"rule:unique(' in final
    code, rendered, _ = command("sql", "show", "features/flight_features", "--partition", DAY, "--stage", "rendered")
    assert code == 0 and 'FROM "snapshots"."flight_schedule" AS planned' in rendered
    assert "rule:" not in rendered and "{{" not in rendered
    assert rendered.strip() in final


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("sql", "show", "nobody", "--partition", DAY), 2, "there is no model 'nobody'"),
        (("sql", "show", "flight_features"), 2, "which partition? (add --partition, such as 2025-01-06)"),
        (("sql", "show", "flight_features", "--partition", "today'; DROP"), 2, "is not a daily partition key"),
        (("sql", "run", "flight_features", "--partition", DAY), 4, "lacks the table (materialize it first)"),
        (("lineage", "flight_features"), 2, "names no column (write TABLE.COLUMN)"),
        (("lineage", "flight_features.nobody"), 2, "has no column 'nobody'"),
        (("lineage", "snapshots/nobody.x"), 2, "there is no table 'snapshots/nobody'"),
        (("preflight", "nobody"), 2, "there is no pipeline and no snapshot 'nobody'"),
        (("contract", "diff", "nobody"), 2, "there is no model 'nobody'"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(command: Command, arguments: tuple[str, ...], code: int, said: str) -> None:
    found, out, told = command(*arguments)
    assert (found, out) == (code, "")
    assert said in told and told.count("\n") == 1


def test_lineage_is_drawn_up_and_down(command: Command) -> None:
    _, up, _ = command("lineage", "flight_features.late_rate_28_days")
    assert "snapshots/flight_outcomes.arrival_delay_minutes  (source)" in up
    assert "(dbt_like_sql/models/flight_delay/flight_features.sql)" in up
    _, down, _ = command("lineage", "snapshots/aircraft.seat_count", "--readers")
    assert "features/flight_features.aircraft_seat_count" in down


def test_preflight_looks_at_sources_without_reading_them(command: Command) -> None:
    code, out, _ = command("preflight", "flight_delay", "--partition", DAY)
    assert (
        code == 0 and "snapshots/flight_schedule: nothing to look at beforehand in nycflights13/flight_schedule" in out
    )


def test_contracts_are_compared_with_another_project(command: Command, tmp_path: Path) -> None:
    """A narrower set is compatible; a column that is gone breaks whoever reads it."""
    code, out, _ = command("contract", "diff")
    assert code == 0 and "features/flight_features: nothing to compare with yet" in out
    shipped = Settings.from_environment().project / "dbt_like_sql"
    other = tmp_path / "other" / "models" / "flight_delay"
    other.mkdir(parents=True)
    for path in (shipped / "models" / "flight_delay").iterdir():
        text = path.read_text().replace("values: [EWR, JFK, LGA]", "values: [EWR, JFK, LGA, TEB]")
        (other / path.name).write_text(text)
    code, out, _ = command("contract", "diff", "flight_features", "--against", str(tmp_path / "other"))
    assert code == 0 and "origin" in out and "accepted_values" in out
    schema = other / "schema.yml"
    schema.write_text(schema.read_text() + "      - {name: gone, data_type: BIGINT}\n")
    code, out, told = command("contract", "diff", "flight_features", "--against", str(tmp_path / "other"))
    assert code == 4 and "gone" in out and "break whoever reads features/flight_features" in told


def test_other_projects_are_read_once(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many models are compared."""
    shipped = Settings.from_environment().project / "dbt_like_sql"
    there = Path(shutil.copytree(shipped, tmp_path / "other"))
    read: list[Path] = []

    def load(root: Path) -> Project:
        read.append(root)
        return load_project(root)

    monkeypatch.setattr("batch_platform.sql.project.load_project", load)
    monkeypatch.setattr("batch_platform.features.component.sql_models", lambda _: {"a": found, "b": found})
    found = sql_models(load_components().load_context)["flight_features"]
    code, out, _ = command("contract", "diff", "--against", str(there))
    assert code == 0 and out.count("features/flight_features: no change") == 2
    assert sorted(read) == sorted([shipped, there])


def test_sql_unit_tests_run_and_tell_what_differs(command: Command, tmp_path: Path) -> None:
    code, out, _ = command("sql", "test")
    cases = Settings.from_environment().project / "batch_platform_tests" / "sql"
    assert code == 0 and "passed flight_features/recent_7_days" in out.splitlines()
    assert len(out.splitlines()) == len(list(cases.glob("*/*/expect.yaml")))

    for name in ("recent_7_days", "history_of_28_days_is_smoothed"):
        shutil.copytree(cases / "flight_features" / name, tmp_path / "flight_features" / name)
    expect = tmp_path / "flight_features" / "recent_7_days" / "expect.yaml"
    expect.write_text(expect.read_text().replace("0.660256", "0.7"))
    (tmp_path / "nobody" / "a_case").mkdir(parents=True)
    (tmp_path / "nobody" / "a_case" / "case.yaml").touch()
    code, out, told = command("sql", "test", str(tmp_path))
    assert code == 4 and "2 of 3 cases failed" in told
    assert "passed flight_features/history_of_28_days_is_smoothed" in out.splitlines()
    assert "failed flight_features/recent_7_days (" in out
    assert "    origin_late_rate_7_days: expected 0.7, found 0.660256" in out.splitlines()
    assert "failed nobody/a_case:" in out and "there is no model 'nobody' to test" in out


def test_a_folder_without_cases_is_told(command: Command, tmp_path: Path) -> None:
    code, out, told = command("sql", "test", str(tmp_path))
    assert (code, out) == (2, "") and "the folder holds no case" in told
