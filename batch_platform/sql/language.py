"""The language of one project: an environment with its names, its macros and its vars.

Belongs here: putting those together once, for all templates of the project. Does not belong here: what each name
gives (`context.py`), and reading the project's files (`project.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Template, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from batch_platform.sql.context import install
from batch_platform.sql.macros import Macro, callables, load_macros, mentioned, reachable
from batch_platform.sql.rendering import Tables
from batch_platform.sql.templates import compiled, environment, has_jinja, parsed

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Language:
    """What templates of one project are written in.

    Args:
        environment: Jinja's, with every name.
        project: the project's name; empty where there is none.
        macros: the project's macros, by name.
        tables: what `ref` and `source` find.
    """

    environment: ImmutableSandboxedEnvironment = field(repr=False)
    project: str
    macros: Mapping[str, Macro] = field(repr=False)
    tables: Tables = field(repr=False)

    @classmethod
    def of(cls, project: str, variables: Mapping[str, Any], macro_files: Iterable[Path]) -> Language:
        """The language of a project that has no tables yet.

        Raises:
            ConfigurationError: a macro's file is wrong: `file:line: what`.
        """
        made = environment()
        install(made, variables)
        macros = load_macros(made, macro_files, project)
        made.globals.update(callables(macros, project))
        return cls(made, project, macros, Tables(project))

    def with_tables(self, tables: Tables) -> Language:
        """The same language, in which names stand for these tables."""
        return replace(self, tables=tables)

    def template(self, text: str, path: Path) -> tuple[Template | None, list[Macro]]:
        """A text as a template, None where it says nothing to Jinja; and the macros that it can call.

        Raises:
            ConfigurationError: it is not a template: `file:line: what`.
        """
        if not has_jinja(text):
            return None, []
        tree = parsed(self.environment, text, path)
        reached = self._reached(tree) if self._macro_names & set(_WORD.findall(text)) else []
        return compiled(self.environment, tree, path), reached

    @cached_property
    def _macro_names(self) -> frozenset[str]:
        return frozenset((*self.macros, self.project)) if self.macros else frozenset()

    def _reached(self, tree: nodes.Template) -> list[Macro]:
        names, everything = mentioned(tree, self.project)
        return reachable(names, everything, self.macros)
