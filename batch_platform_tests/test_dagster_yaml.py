"""Both `dagster.yaml` load, say what each setting is for, differ in numbers only, and behave as they promise."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config
from dagster._core.scheduler.instigation import TickStatus

from batch_platform.automation.scheduling import TEAM
from batch_platform.schedules.runs import Priority
from batch_platform_tests.automation.queued import Queue, queue

ROOT = Path(__file__).parents[1]
FILES = {"laptop": ROOT / "dagster.yaml", "server": ROOT / "deploy" / "dagster.yaml"}
BACKFILL, PRIORITY = "dagster/backfill", "dagster/priority"


@pytest.mark.parametrize("place", FILES)
def test_dagsters_own_loader_takes_it(place: str, tmp_path: Path) -> None:
    shutil.copy(FILES[place], tmp_path / "dagster.yaml")
    config, _ = dagster_instance_config(str(tmp_path))
    assert config["telemetry"]["enabled"] is False
    assert config["concurrency"]["pools"]["granularity"] == "run"


@pytest.mark.parametrize("place", FILES)
def test_each_top_level_setting_stands_under_a_line_that_says_what_it_is_for(place: str) -> None:
    paragraphs = [text.strip().splitlines() for text in FILES[place].read_text().split("\n\n")]
    silent = [line for lines in paragraphs for line in lines if _is_setting(line) and not lines[0].startswith("# ")]
    assert silent == []


def _is_setting(line: str) -> bool:
    return re.match(r"[a-z_]+:", line) is not None


def test_the_two_have_the_same_settings_but_for_the_storage() -> None:
    laptop, server = (yaml.safe_load(path.read_text()) for path in FILES.values())
    assert server.pop("storage").keys() == {"postgres"}
    assert _shape(laptop) == _shape(server)


def _shape(node: Any) -> Any:
    """A tree of settings without its numbers."""
    if isinstance(node, dict):
        return {name: _shape(value) for name, value in node.items()}
    if isinstance(node, list):
        return [_shape(value) for value in node]
    return "number" if isinstance(node, int) and not isinstance(node, bool) else node


def test_the_address_of_the_storage_comes_from_the_environment_alone() -> None:
    database = yaml.safe_load(FILES["server"].read_text())["storage"]["postgres"]["postgres_db"]
    assert database.pop("scheme") == "postgresql+psycopg2"
    assert all(list(value) == ["env"] for value in database.values())
    assert "password" in database


def test_backfills_old_partitions_and_a_single_team_leave_a_place_for_live_work() -> None:
    for path in FILES.values():
        runs = yaml.safe_load(path.read_text())["concurrency"]["runs"]
        limits = {(each["key"], str(each.get("value"))): each["limit"] for each in runs["tag_concurrency_limits"]}
        assert limits.pop((BACKFILL, "None")) < runs["max_concurrent_runs"]
        assert limits.pop((PRIORITY, str(int(Priority.HEALING)))) < runs["max_concurrent_runs"]
        assert limits.pop((TEAM, "{'applyLimitPerUniqueValue': True}")) <= runs["max_concurrent_runs"]
        assert limits == {}


def test_the_instance_does_as_it_says(tmp_path: Path) -> None:
    shutil.copy(FILES["laptop"], tmp_path / "dagster.yaml")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.run_monitoring_enabled and instance.run_monitoring_max_runtime_seconds == 24 * 60 * 60
        assert instance.run_retries_enabled and instance.run_retries_max_retries == 1
        assert not instance.telemetry_enabled and not instance.nux_enabled
        kept = instance.get_tick_retention_settings(dg._core.definitions.run_request.InstigatorType.SENSOR)
        assert kept[TickStatus.SKIPPED] == 7
        queued = instance.get_concurrency_config().run_queue_config
        assert queued is not None and queued.max_concurrent_runs == 2 and queued.max_user_code_failure_retries == 3
        assert instance.get_settings("sensors")["use_threads"] is True


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Queue]:
    """A queue with the laptop's settings."""
    with queue(tmp_path_factory.mktemp("deployment"), FILES["laptop"].read_text()) as made:
        yield made


@pytest.mark.slow
def test_a_live_run_overtakes_a_quarter_of_queued_backfill_runs_and_finds_a_place(tmp_path: Path) -> None:
    with queue(tmp_path, FILES["laptop"].read_text()) as crowded:
        first = crowded.launch(("snapshots/orders",), "2024-01-02", {BACKFILL: "quarter"})
        for _ in range(120):  # more than the daemon reads in one page
            crowded.enqueue(first, {BACKFILL: "quarter"})
        assert crowded.next_out() == [first]  # one of two places stays free
        live = crowded.enqueue(first, {PRIORITY: str(int(Priority.LIVE))})
        assert crowded.next_out() == [live, first]
        critical = crowded.enqueue(first, {PRIORITY: str(int(Priority.CRITICAL))})
        assert crowded.next_out() == [critical, live]


@pytest.mark.slow
def test_old_partitions_that_are_made_good_leave_a_place(deployment: Queue) -> None:
    first = deployment.launch(("snapshots/orders",), "2024-01-02", {PRIORITY: str(int(Priority.HEALING))})
    deployment.enqueue(first, {PRIORITY: str(int(Priority.HEALING))})
    assert deployment.next_out() == [first]
    asked = deployment.launch(("snapshots/orders",), "2024-01-03")
    assert deployment.next_out() == [first, asked]
    for run in deployment.instance.get_runs():
        deployment.instance.delete_run(run.run_id)


@pytest.mark.slow
def test_runs_of_a_backfill_from_the_ui_carry_the_tag_that_the_limit_counts_and_no_priority(deployment: Queue) -> None:
    runs = deployment.backfill("snapshots/orders", ["2024-01-02", "2024-01-03", "2024-01-05"])
    assert len(runs) == 3
    assert len(deployment.next_out()) == 1
    for run in runs:
        found = deployment.instance.get_run_by_id(run)
        assert found is not None and not {PRIORITY, TEAM} & found.tags.keys()
        deployment.instance.delete_run(run)
