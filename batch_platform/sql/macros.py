"""The macros of a project: `{% macro %}` and `{% test %}` blocks of its `macros/`, callable from every template.

Belongs here: finding them, calling them with dbt's `return`, and which of them a template can reach. Does not belong
here: the macros that every project has (`cross_database.py`).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from batch_platform.errors import ConfigurationError
from batch_platform.sql.refusals import CONFIG_KEYS
from batch_platform.sql.templates import TEST_PREFIX, compiled, has_jinja, parsed, read_text, refuse

RESERVED = frozenset(
    {"ref", "source", "config", "var", "this", "is_incremental", "target", "execute", "log", "print", "exceptions"}
    | {"return", "window", "tojson", "fromjson", "doc", "dbt", "range", "dict", "namespace", "cycler", "joiner", "loop"}
)
"""Names of the language that no macro may take."""


class _Returned(Exception):
    """What `return` raises; the macro that is being called catches it. A template cannot."""

    def __init__(self, value: Any) -> None:
        super().__init__("return() ends a macro of macros/, and here is none")
        self.value = value


def returning(value: Any = None) -> NoReturn:
    """dbt's `return`: ends the macro; what it was given is the macro's value, of any type."""
    raise _Returned(value)


@dataclass(frozen=True)
class Macro:
    """One macro; calling it gives its text, or what it returns.

    Args:
        name: what it is called by.
        path: its file.
        line: where it begins.
        mentions: the names that it uses, its own arguments among them.
        everything: whether it may call any macro: it passes on the project's namespace.
        digest: of what it says; comments do not count.
    """

    name: str
    path: Path
    line: int
    arguments: tuple[str, ...]
    mentions: frozenset[str]
    everything: bool
    digest: str
    _environment: ImmutableSandboxedEnvironment
    _node: nodes.Macro

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._function(*args, **kwargs)
        except _Returned as returned:
            return returned.value

    @functools.cached_property
    def _function(self) -> Any:
        alone = nodes.Template([self._node], lineno=1)
        template = compiled(self._environment, alone, self.path)
        context = template.new_context()
        for _ in template.root_render_func(context):  # the macro is defined as the template runs
            pass
        return context.vars[self.name]


def load_macros(made: ImmutableSandboxedEnvironment, files: Iterable[Path], project: str) -> dict[str, Macro]:
    """The macros of all files, by name; those of `{% test %}` begin with `TEST_PREFIX`.

    Raises:
        ConfigurationError: a file is not a template, holds more than macros, or a name stands twice.
    """
    found: dict[str, Macro] = {}
    for path in files:
        text = read_text(path)
        if not has_jinja(text):
            continue
        for node in parsed(made, text, path).body:
            if not isinstance(node, nodes.Macro):
                _refuse_statement(path, node)
                continue
            if node.name == "generate_alias_name":
                refuse(path, node.lineno, f"{node.name} {CONFIG_KEYS['alias'].what}", CONFIG_KEYS["alias"].fix)
            if node.name in RESERVED:
                refuse(path, node.lineno, f"{node.name} is a name of the language", "call the macro otherwise")
            if node.name in found:
                earlier = found[node.name]
                refuse(path, node.lineno, f"macro {node.name} is already in {earlier.path}:{earlier.line}")
            names, everything = mentioned(node, project)
            digest = hashlib.sha256(repr(node).encode()).hexdigest()
            arguments = tuple(argument.name for argument in node.args)
            found[node.name] = Macro(node.name, path, node.lineno, arguments, names, everything, digest, made, node)
    return found


def callables(macros: Mapping[str, Macro], project: str) -> dict[str, Any]:
    """The macros as templates see them, by name, and the project's own name as their namespace."""
    functions = {name: _function(macro) for name, macro in macros.items() if not name.startswith(TEST_PREFIX)}
    return {**({project: _Space(project, functions)} if project else {}), **functions}


class _Space:
    """The project's name in a template: its macros are items, which Jinja finds as attributes, too."""

    def __init__(self, project: str, functions: Mapping[str, Any]) -> None:
        self.__project, self.__functions = project, functions

    def __getitem__(self, name: str) -> Any:
        if name not in self.__functions:
            raise ConfigurationError(f"{self.__project} has no macro {name!r}", fix="write it in macros/")
        return self.__functions[name]


def _function(macro: Macro) -> Any:
    """A macro as a plain function: a template must not reach the macro's own attributes, such as its path."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return macro(*args, **kwargs)

    call.__name__ = macro.name
    return call


def mentioned(tree: nodes.Node, project: str) -> tuple[frozenset[str], bool]:
    """The names that a template uses, bare or as `<project>.name`; and whether it uses `<project>` otherwise, too."""
    found = list(tree.find_all((nodes.Name, nodes.Getattr)))
    names = [part.name for part in found if isinstance(part, nodes.Name)]
    spaced = [part.attr for part in found if isinstance(part, nodes.Getattr) and _is_name(part.node, project)]
    return frozenset((*names, *spaced)), names.count(project) > len(spaced)


def reachable(names: Iterable[str], everything: bool, macros: Mapping[str, Macro]) -> list[Macro]:
    """The macros that a template can call which mentions these names, in the order of their names."""
    found: dict[str, Macro] = dict(macros) if everything else {}
    waiting = [name for name in names if name in macros]
    while waiting:
        macro = macros[waiting.pop()]
        if macro.name not in found:
            found[macro.name] = macro
            waiting += macros if macro.everything else [name for name in macro.mentions if name in macros]
    return [found[name] for name in sorted(found)]


def _is_name(node: nodes.Node, name: str) -> bool:
    return isinstance(node, nodes.Name) and node.name == name


def _refuse_statement(path: Path, node: nodes.Node) -> None:
    """Text beside macros says nothing; a statement beside them would seem to."""
    parts = node.nodes if isinstance(node, nodes.Output) else [node]
    said = next((part for part in parts if not isinstance(part, nodes.TemplateData)), None)
    if said is not None:
        refuse(path, said.lineno, "a statement beside the macros has no effect", "move it into a macro")
