"""What components ask about all components of their project, answered once and not once for each of them.

Without it the time to load a project would grow with the square of its pipelines. The answers live as long as Dagster's
tree of components, which is made anew for each load and is not changed afterwards.

Belongs here: keeping answers. Does not belong here: the questions, which stand with the component they are about.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import dagster as dg
from dagster.components.core.defs_module import ComponentPath

AnswerT = TypeVar("AnswerT")
ComponentT = TypeVar("ComponentT", bound=dg.Component)

_answers: WeakKeyDictionary[object, dict[Hashable, Any]] = WeakKeyDictionary()


def asked_once(question: Callable[[dg.ComponentLoadContext], AnswerT]) -> Callable[[dg.ComponentLoadContext], AnswerT]:
    """The same question, answered once for each tree; who asks must not change the answer. Errors are not kept."""

    @wraps(question)
    def asked(context: dg.ComponentLoadContext) -> AnswerT:
        return _kept(context.component_tree, question, lambda: question(context))

    return asked


def everyone(tree: dg.ComponentTree, kind: type[ComponentT]) -> tuple[ComponentT, ...]:
    """All components of a kind."""
    return _kept(tree, kind, lambda: tuple(tree.get_all_components(of_type=kind)))


@asked_once
def find_declarations(context: dg.ComponentLoadContext) -> None:
    """Tell the tree where every file's components are declared; it would search them all anew for each it loads."""
    tree = context.component_tree
    for place, declaration in tree.find_root_decl().iterate_loc_component_decl_pairs():
        if isinstance(place, ComponentPath):  # what else there is must be looked up each time
            tree.state_tracker.set_cache_data(place, component_decl=declaration)


def _kept(tree: dg.ComponentTree, name: Hashable, answer: Callable[[], AnswerT]) -> AnswerT:
    # A tree is a tuple: it compares by what it is made of and cannot be referred to weakly. What it has loaded can be,
    # and goes with it.
    known = _answers.setdefault(tree.state_tracker, {})
    if name not in known:
        known[name] = answer()
    found: AnswerT = known[name]
    return found
