"""A YAML file read through its nodes, so that every refusal names its line.

What belongs here: reading nodes as mappings, lists and values. What does not: what a file may say
(`properties.py`, `contracts/schema_yml.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import yaml  # type: ignore[import-untyped, unused-ignore]

from batch_platform.errors import ConfigurationError

# The loader in C reads a large project ten times as fast; where PyYAML came without it, the other reads the same.
_LOADER: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Document:
    """One YAML file. Every method that reads raises ConfigurationError, with file and line, where it cannot."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def refusal(self, node: yaml.Node, what: str, fix: str = "") -> ConfigurationError:
        """The error that says what is wrong with a node, and on which line it stands."""
        return ConfigurationError(what, where=f"{self.path}:{node.start_mark.line + 1}", fix=fix)

    def refuse(self, node: yaml.Node, what: str, fix: str = "") -> NoReturn:
        """Raise the node's `refusal`."""
        raise self.refusal(node, what, fix)

    def root(self) -> yaml.Node | None:
        """The file's outermost node; None for a file that says nothing."""
        try:
            root: yaml.Node | None = yaml.compose(self.path.read_text(encoding="utf-8"), Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f":{mark.line + 1}" if mark else ""
            problem = f"is not YAML: {error.problem or error.context}"
            raise ConfigurationError(problem, where=f"{self.path}{line}") from None
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigurationError(f"is not YAML: {error}", where=f"{self.path}:1") from None
        return root

    def mapping(self, node: yaml.Node, what: str, allowed: tuple[str, ...] | None) -> dict[str, yaml.Node]:
        """A mapping's nodes by key; `allowed` None takes any key, but none twice."""
        if not isinstance(node, yaml.MappingNode):
            self.refuse(node, f"{what} must be a mapping")
        found: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            key = self.text(key_node, f"a key of {what}")
            if key in found:
                self.refuse(key_node, f"{key} is given twice")
            if allowed is not None and key not in allowed:
                fix = f"use {', '.join(allowed)}" if allowed else "it takes no arguments"
                self.refuse(key_node, f"{what} has no key {key}", fix)
            found[key] = value
        return found

    def items(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        """A list's nodes."""
        if not isinstance(node, yaml.SequenceNode):
            self.refuse(node, f"{what} must be a list")
        return list(node.value)

    def required(self, node: yaml.Node, parts: dict[str, yaml.Node], key: str, what: str) -> yaml.Node:
        """The part under a key that must be there."""
        if key not in parts:
            self.refuse(node, f"{what} needs {key}")
        return parts[key]

    def text(self, node: yaml.Node, what: str) -> str:
        """A node's value where it is text."""
        value = self.value(node)
        if not isinstance(value, str):
            self.refuse(node, f"{what} must be text", "put it in quotes")
        return value

    def value(self, node: yaml.Node) -> object:
        """A node's value as YAML types it: text, number, boolean, date, time."""
        try:
            found: object = yaml.constructor.SafeConstructor().construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError) as error:
            self.refuse(node, f"{getattr(node, 'value', node)!r} cannot be read: {error}")
        return found
