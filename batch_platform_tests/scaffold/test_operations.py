"""A scaffolded `Operations` loads as it is written, once in a project."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.operations.component import operations
from batch_platform.scaffold.operations import Params, scaffold
from batch_platform_tests.pipelines.project import Project
from batch_platform_tests.scaffold.project import target


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project without a pipeline."""
    return Project.create(tmp_path)


def test_what_is_written_loads_and_so_does_what_stands_in_its_comments(project: Project) -> None:
    scaffold(Params(timezone="America/New_York"), target(project, "operations"), project.root)
    with project.tree() as tree:
        found = operations(tree)
    assert found.windows.names == ("off_peak",)
    assert found.windows.blackouts == found.windows.maintenance == () and found.quotas == {}
    path = project.defs("operations")
    path.write_text(path.read_text().replace("  # blackouts", "  blackouts").replace("  # maint", "  maint"))
    path.write_text(path.read_text().replace("  # quotas", "  quotas").replace("  #   - {", "    - {"))
    with project.tree() as tree:
        found = operations(tree)
    assert [each.name for each in (*found.windows.blackouts, *found.windows.maintenance)] == ["holidays", "storage"]
    assert found.quotas == {"name": 2}


def test_a_second_one_is_refused_wherever_it_is_asked_for(project: Project) -> None:
    scaffold(Params(), target(project, "operations"), project.root)
    with pytest.raises(ConfigurationError, match="declares its operations already"):
        scaffold(Params(), target(project, "elsewhere"), project.root)


def test_an_unknown_time_zone_is_refused_before_anything_is_written(project: Project) -> None:
    with pytest.raises(ConfigurationError, match="unknown time zone 'Mars'"):
        scaffold(Params(timezone="Mars"), target(project, "operations"), project.root)
    assert not project.defs("operations").exists()
