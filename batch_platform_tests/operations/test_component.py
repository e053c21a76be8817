"""What a project declares about its operation is read once, with a clear line for what makes no sense."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from batch_platform.automation.schedule import schedule_of
from batch_platform.errors import ConfigurationError
from batch_platform.operations.component import operations, refuse_unknown_names, refuse_unknown_windows
from batch_platform.operations.definition import OperationsDefinition
from batch_platform.schedules.windows import Maintenance
from batch_platform.sensors import sensors
from batch_platform.settings import PROJECT
from batch_platform_tests.pipelines.project import Project

EVERYTHING = """
windows:
  off_peak: {days: weekdays, from: "22:00", to: "06:00", timezone: America/New_York}
  weekend: [{days: [sat], from: "00:00", to: "24:00"}, {cron: "0 0 * * 0", lasts: 8h}]
blackouts:
  - {name: holidays, from: 2026-12-24, to: "2026-12-27 00:00", timezone: America/New_York}
maintenance:
  - {name: storage, cron: "0 2 * * 0", lasts: 2h}
quotas: {team:flight-ops: 2}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project without a pipeline."""
    return Project.create(tmp_path)


def _declare(project: Project, text: str, folder: str = "operations") -> None:
    lines = "\n".join(f"  {line}" for line in text.strip().splitlines())
    project.defs(folder).parent.mkdir()
    project.defs(folder).write_text(f"type: batch_platform.Operations\nattributes:\n{lines}\n")


def _loaded(project: Project) -> OperationsDefinition:
    with project.tree() as tree:
        tree.build_defs()
        return operations(tree)


def _refusal(project: Project) -> str:
    with pytest.raises(Exception) as caught:  # Dagster wraps what the components raise
        _loaded(project)
    error: BaseException = caught.value
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error)


def test_everything_that_is_declared_is_there(project: Project) -> None:
    _declare(project, EVERYTHING)
    found = _loaded(project)
    assert found.windows.names == ("off_peak", "weekend")
    assert found.quotas == {"flight-ops": 2}
    monday, sunday = datetime(2026, 6, 1, 12, tzinfo=UTC), datetime(2026, 6, 7, 3, tzinfo=UTC)
    assert found.windows.closed_until("off_peak", monday) == datetime(2026, 6, 2, 2, tzinfo=UTC)
    assert found.windows.closed_until("weekend", monday) == datetime(2026, 6, 6, tzinfo=UTC)
    maintenance = Maintenance("storage", sunday.replace(hour=2), sunday.replace(hour=4))
    assert found.windows.in_maintenance(sunday) == maintenance
    christmas = datetime(2026, 12, 25, tzinfo=UTC)
    assert found.windows.closed_until("", christmas) == datetime(2026, 12, 27, 5, tzinfo=UTC)


def test_a_project_without_a_declaration_closes_nothing(project: Project) -> None:
    project.add("repeat_purchase")
    with project.tree() as tree:
        assert operations(tree) == OperationsDefinition()


def test_two_declarations_are_refused_with_both_places(project: Project) -> None:
    _declare(project, "quotas: {}")
    _declare(project, "quotas: {}", "more")
    refused = _refusal(project)
    assert "operations are declared 2 times" in refused
    assert "defs/operations/defs.yaml" in refused and "defs/more/defs.yaml" in refused


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('windows: {night: {from: "22:00", to: "06:00", timezone: Mars}}', "window 'night': unknown time zone 'Mars'"),
        ('windows: {night: {from: 22:00, to: "06:00"}}', "window 'night': 1320 is no time of day (write it in quotes"),
        ('windows: {night: {cron: "every night", lasts: 8h}}', "window 'night': 'every night' is no cron expression"),
        ('windows: {night: {from: "22:00", to: "22:00"}}', "window 'night': it begins and ends at 22:00"),
        ('windows: {night: {from: "22:00", to: "06:00", days: [funday]}}', "there is no day 'funday'"),
        ("windows: {night: []}", "window 'night' never opens"),
        ('windows: {"": {from: "22:00", to: "06:00"}}', "a window has an empty name"),
        ('blackouts: [{name: all, cron: "0 * * * *", lasts: 2h}]', "blackouts and maintenance never end"),
        ('maintenance: [{name: move, from: "2026-12-27", to: "2026-12-24"}]', "maintenance 'move': it ends at"),
        ("quotas: {flight-ops: 2}", "quota of 'flight-ops' (name a team, as owners do: 'team:name')"),
        ("quotas: {team:flight-ops: 0}", "the quota of team:flight-ops is 0"),
    ],
)
def test_what_makes_no_sense_is_told_with_the_file_and_the_name(project: Project, text: str, what: str) -> None:
    _declare(project, text)
    refused = _refusal(project)
    assert what in refused
    assert "defs/operations/defs.yaml, Operations" in refused
    assert "\n" not in refused


@pytest.mark.parametrize(
    "text",
    [
        "bogus: 1",
        'windows: {night: {from: "22:00", to: "06:00", bogus: 1}}',
        'maintenance: [{from: "1:00", to: "2:00"}]',
    ],
)
def test_a_field_that_does_not_exist_or_is_missing_is_refused(project: Project, text: str) -> None:
    _declare(project, text)
    assert "bogus" in _refusal(project) or "Field required" in _refusal(project)


@pytest.mark.parametrize("document", [0, 2, 3, 4])
def test_a_table_that_asks_for_a_window_that_nobody_declares_is_refused(project: Project, document: int) -> None:
    project.add("repeat_purchase")
    _declare(project, EVERYTHING)
    documents = project.documents("repeat_purchase")
    attributes = documents[document]["attributes"]
    assert isinstance(attributes, dict)
    for window, known in (("off_peak", True), ("lunch", False)):
        attributes["automation"] = {"window": window}
        project.declare("repeat_purchase", documents)
        with project.tree() as tree:
            found = operations(tree)
            if known:
                refuse_unknown_windows(tree, found.windows)
                continue
            with pytest.raises(
                ConfigurationError, match=r"no batch window 'lunch' \(there are off_peak, weekend"
            ) as told:
                refuse_unknown_windows(tree, found.windows)
            assert "defs/repeat_purchase/defs.yaml" in str(told.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("quotas: {team:shop: 2}", ""),
        ("quotas: {team:shpo: 2}", "quotas: no table has 'team:shpo' (there are team:shop)"),
        ("alerts: {routes: [{name: a, to: {env: A}, owners: ['team:shop', b@c.d], pipelines: [repeat_purchase]}]}", ""),
        ("alerts: {routes: [{name: a, to: {env: A}, owners: ['team:shpo']}]}", "a, owners: no table has 'team:shpo'"),
        (
            "alerts: {routes: [{name: a, to: {env: A}, pipelines: [x]}]}",
            "pipelines: no table has 'x' (there are repeat",
        ),
    ],
)
def test_a_quota_or_a_route_for_nobody_is_refused_with_those_there_are(
    project: Project, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.setenv(PROJECT, str(project.root))
    project.add("repeat_purchase")
    _declare(project, text)
    with project.tree() as tree:
        if not said:
            refuse_unknown_names(tree, schedule_of(tree))
            return
        with pytest.raises(ConfigurationError, match=re.escape(said)) as told:
            refuse_unknown_names(tree, schedule_of(tree))
        assert "defs/operations/defs.yaml" in str(told.value)


def test_a_project_without_tables_may_have_quotas_already(project: Project) -> None:
    _declare(project, "quotas: {team:shop: 2}")
    with project.tree() as tree:
        refuse_unknown_names(tree, schedule_of(tree))


def test_the_code_location_does_not_load_with_a_quota_for_nobody(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROJECT, str(project.root))
    project.add("repeat_purchase")
    _declare(project, "quotas: {team:shpo: 2}")
    with project.tree() as tree, pytest.raises(ConfigurationError, match="no table has 'team:shpo'"):
        sensors(tree, dg.Definitions())
