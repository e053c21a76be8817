"""What a project declares under `alerts:` of its operations reaches the sensor, and no address is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.alerts.routing import Alerting, Route
from batch_platform.operations.component import operations
from batch_platform_tests.pipelines.project import Project

ALERTS = """
attributes:
  alerts:
    ui: http://localhost:3000
    routes:
      - {name: ops, to: {env: ALERTS_OPS}, owners: ["team:flight-ops"]}
"""


def loaded(tmp_path: Path, attributes: str) -> Alerting:
    project = Project.create(tmp_path)
    project.defs("operations").parent.mkdir()
    project.defs("operations").write_text(f"type: batch_platform.Operations\n{attributes.strip()}\n")
    with project.tree() as tree:
        tree.build_defs()
        return operations(tree).alerting


def refusal(tmp_path: Path, route: str) -> str:
    with pytest.raises(Exception) as caught:  # Dagster wraps what the components raise
        loaded(tmp_path, f"attributes: {{alerts: {{routes: [{route}]}}}}")
    error: BaseException = caught.value
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error)


def test_routes_are_read_from_yaml(tmp_path: Path) -> None:
    route = Route("ops", "ALERTS_OPS", frozenset({"team:flight-ops"}))
    assert loaded(tmp_path, ALERTS) == Alerting((route,), ui="http://localhost:3000")


def test_without_alerts_nobody_is_told(tmp_path: Path) -> None:
    assert loaded(tmp_path, "attributes: {}") == Alerting()


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ("{name: ops, to: {env: 'slack://hunter2'}}", "to.env is not the name of an environment variable"),
        ("{name: ops, to: 'slack://hunter2'}", "expected {env: NAME}"),
        ("{name: ops, to: {env: A}, severity: [loud]}", "'page', 'ticket' or 'notice'"),
    ],
)
def test_a_route_that_makes_no_sense_is_told_in_a_line_without_an_address(
    tmp_path: Path, route: str, said: str
) -> None:
    text = refusal(tmp_path, route)
    assert said in text
    assert "hunter2" not in text
