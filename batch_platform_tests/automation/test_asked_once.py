"""A question about all components is answered once for each tree, and never for another."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg
import pytest
from dagster.components.core.defs_module import ComponentPath

from batch_platform.automation.asked_once import asked_once, everyone, find_declarations
from batch_platform.models.component import model_definitions
from batch_platform.snapshots.component import InputSnapshot, snapshot_timelines
from batch_platform_tests.pipelines.fixtures import project
from batch_platform_tests.pipelines.project import Project

__all__ = ["project"]


def _counted(asked: list[object]) -> Callable[[dg.ComponentLoadContext], int]:
    @asked_once
    def question(context: dg.ComponentLoadContext) -> int:
        asked.append(context)
        return len(asked)

    return question


def test_one_tree_is_asked_once_and_another_one_again(project: Project) -> None:
    asked: list[object] = []
    question = _counted(asked)
    with project.tree() as tree:
        assert [question(tree.load_context), question(tree.load_context)] == [1, 1]
    with project.tree() as another:
        assert question(another.load_context) == 2


def test_an_error_is_no_answer(project: Project) -> None:
    found: list[int] = []

    @asked_once
    def fails_at_first(context: dg.ComponentLoadContext) -> int:
        found.append(1)
        if len(found) == 1:
            raise ValueError("not yet")
        return len(found)

    with project.tree() as tree:
        with pytest.raises(ValueError, match="not yet"):
            fails_at_first(tree.load_context)
        assert fails_at_first(tree.load_context) == 2


def test_what_is_declared_after_a_load_is_seen_by_the_next(project: Project) -> None:
    with project.tree() as tree:
        before = set(snapshot_timelines(tree.load_context))
        assert {component.table for component in everyone(tree, InputSnapshot)} == before
    documents = project.documents("repeat_purchase")
    project.declare("repeat_purchase", documents[:1])
    with project.tree() as tree:
        assert set(snapshot_timelines(tree.load_context)) == {"snapshots/orders"} < before


def test_a_model_is_read_once_whoever_asks(project: Project) -> None:
    with project.tree() as tree:
        first = model_definitions(tree.load_context)["repeat_purchase"]
        assert model_definitions(tree.load_context)["repeat_purchase"] is first


def test_the_tree_knows_where_each_component_is_declared_before_it_loads_one(project: Project) -> None:
    with project.tree() as tree:
        find_declarations(tree.load_context)
        declared = dict(tree.find_root_decl().iterate_loc_component_decl_pairs())
        of_files = {place: found for place, found in declared.items() if isinstance(place, ComponentPath)}
        assert len(of_files) > len(project.documents("repeat_purchase"))
        for place, declaration in of_files.items():
            assert tree.state_tracker.get_cache_data(place).component_decl is declaration
