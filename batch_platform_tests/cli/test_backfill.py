"""`batch-platform backfill`: what it prints, what only a look at files and contracts tells, and its door to Dagster."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from batch_platform.automation.backfill_records import Recorded
from batch_platform.automation.schedule import schedule_of
from batch_platform.backfills.plan import BackfillPlan, plan
from batch_platform.backfills.risks import RiskKind
from batch_platform.backfills.stretch import Stretch
from batch_platform.cli.backfill import backfill
from batch_platform.cli.backfill_looks import looked_into
from batch_platform.cli.backfill_screen import length, show_backfill, show_backfills, show_plan
from batch_platform.errors import ConfigurationError
from batch_platform.schedules.books import LakeBooks
from batch_platform.schedules.facts import Facts
from batch_platform.settings import Settings
from batch_platform_tests.backfills.simulated import FEATURES, MODEL, ORDERS, PREDICTIONS, Holdings, tables
from batch_platform_tests.pipelines.fixtures import project as project_fixture
from batch_platform_tests.pipelines.fixtures import settings as settings_fixture
from batch_platform_tests.pipelines.project import Project, write_orders

project, settings = project_fixture, settings_fixture


def printed(show: object, what: object) -> str:
    console = Console(file=io.StringIO(), width=160, soft_wrap=True)
    show(console, what)  # type: ignore[operator]
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def planned(names: str, text: str, holdings: Holdings) -> BackfillPlan:
    return plan(tables(), names.split(), Stretch.parse(text), holdings.facts())


def test_a_plan_is_a_table_with_versions_effort_and_risks() -> None:
    text = printed(show_plan, planned(f"{MODEL} {FEATURES} {PREDICTIONS}", "2025-05-01..2025-05-03", Holdings()))
    header, *lines = text.splitlines()
    assert header.split() == ["table", "partitions", "valid", "missing", "make", "rows", "time", "cost"]
    assert ["features/orders", "3", "0", "3", "3", "?", "?", "?"] in [line.split() for line in lines]
    assert "  predictions/orders [2025-05-01 to 2025-05-03], 3: trained first (window 2025-05-01)" in lines
    assert any(line.startswith("7 partitions in 3 runs, 2 waves") for line in lines)
    assert any(line.startswith("  input missing: features/orders [2025-05-01 to 2025-05-03]: will") for line in lines)


def test_a_plan_without_anything_to_do_says_so() -> None:
    holdings = Holdings()
    holdings.run(tables(), planned(ORDERS, "2025-05-01", holdings).making)
    assert "Nothing to do" in printed(show_plan, planned(ORDERS, "2025-05-01", holdings))


def test_backfills_are_told_with_owner_reason_and_progress() -> None:
    moment = datetime(2025, 5, 1, 12, tzinfo=UTC)
    tags = {"batch_platform/reason": "a fix", "batch_platform/owner": "team:shop", "batch_platform/paused": "noon"}
    found = Recorded(
        "abc",
        "paused",
        "orders in May",
        tags,
        moment,
        None,
        {ORDERS: {"a", "b", "c"}},
        {ORDERS: {"a"}},
        {ORDERS: {"b"}},
    )
    assert "abc  paused  1 of 3  2025-05-01 12:00 UTC  team:shop  orders in May  a fix" in printed(
        show_backfills, [found]
    )
    text = printed(show_backfill, found)
    assert ["snapshots/orders", "3", "1", "1", "1"] in [line.split() for line in text.splitlines()]
    assert "a fix; team:shop" in text and "paused noon" in text and "snapshots/orders: b" in text


def test_lengths_of_time_are_told_as_a_person_says_them() -> None:
    assert [length(seconds) for seconds in (4, 89, 120, 5400, 12_000)] == [
        "4 s",
        "89 s",
        "2 min",
        "1 h 30 min",
        "3 h 20 min",
    ]


def test_files_that_are_gone_or_of_another_shape_are_told(project: Project, settings: Settings) -> None:
    days = [f"2025-01-{day:02}" for day in range(5, 10)]
    write_orders(project.root, days)
    for path in (project.root / "data" / "orders" / days[1]).iterdir():
        path.unlink()
    (project.root / "data" / "orders" / days[3] / "part-0.csv").write_text("order_id,customer\n1,somebody\n")
    with project.tree() as tree:
        facts = Facts(datetime(2025, 1, 30, tzinfo=UTC), LakeBooks(settings.lake))
        found = plan(schedule_of(tree), ["snapshots/orders"], Stretch.parse(f"{days[0]}..{days[-1]}"), facts)
        risks = looked_into(tree, settings, found)
    assert [(risk.kind, risk.first, risk.last, risk.partitions) for risk in risks] == [
        (RiskKind.NO_SOURCE, days[1], days[3], 2)
    ]
    assert risks[0].text.startswith("will fail: ")
    assert found.with_risks(risks).risks[0] is risks[0]


def test_a_range_that_is_none_and_a_missing_reason_are_refused() -> None:
    result = CliRunner().invoke(backfill, ["run", "*", "2025-01"])
    assert result.exit_code == 2 and "--reason" in result.output


@pytest.mark.slow
def test_the_demonstration_is_planned_and_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BATCH_PLATFORM_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("BATCH_PLATFORM_REGISTRY", f"sqlite:///{tmp_path}/registry.db")
    monkeypatch.setenv("BATCH_PLATFORM_ARTIFACTS", str(tmp_path / "artifacts"))
    asked = ["+predictions/flight_delay", "2025-09-02"]
    result = CliRunner().invoke(backfill, ["plan", *asked, "--json"], catch_exceptions=False)
    found = json.loads(result.output)
    made = {table["table"]: len(table["make"]) for table in found["tables"]}
    assert made["predictions/flight_delay"] == made["models/flight_delay"] == 1
    assert made["features/flight_features"] > 200

    launched = CliRunner().invoke(backfill, ["run", *asked, "--reason", "a test", "--yes"], catch_exceptions=False)
    assert "launched " in launched.output and "daemon does not run" in launched.output
    listed = CliRunner().invoke(backfill, ["list"], catch_exceptions=False)
    assert "requested" in listed.output and "a test" in listed.output
    with pytest.raises(ConfigurationError, match="no range"):
        CliRunner().invoke(backfill, ["plan", "*", "yesterday"], catch_exceptions=False)
