"""What a property file may name that stands elsewhere in its project: other tables, docs blocks, generic tests.

What belongs here: finding them, by what the file says. What does not: where they come from, which whoever loads the
project knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Rendered(NamedTuple):
    """A generic test for its arguments.

    Attributes:
        sql: the query.
        tables: the tables of the lake that it names itself.
        severity: what its block says, None where it says nothing.
        enabled: likewise; False leaves it out.
    """

    sql: str
    tables: tuple[str, ...]
    severity: str | None = None
    enabled: bool = True


Render = Callable[[str, Mapping[str, object]], Rendered | tuple[str, tuple[str, ...]]]
"""Renders a generic test, by its name and arguments."""

_DOC = re.compile(r"\{\{-?\s*doc\(\s*(?:'([^']+)'|\"([^\"]+)\")\s*\)\s*-?\}\}")
_REFERENCE = re.compile(r"(ref|source)\(\s*(.*?)\s*\)", re.DOTALL)
_NAMES = re.compile(r"(?:'([^'\"]+)'|\"([^'\"]+)\")\s*(,|$)\s*")


def table_by_convention(names: tuple[str, ...]) -> str:
    """The lake's table for `ref('x')` and for `source('stage', 'x')`, where no project says otherwise.

    Raises:
        KeyError: a name is none.
    """
    if not all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names):
        raise KeyError(names)
    return "/".join(names if len(names) == 2 else ("features", *names))


def is_reference(value: object) -> bool:
    """Whether a value of a property file is a text that calls `ref` or `source`."""
    return isinstance(value, str) and _REFERENCE.fullmatch(value.strip()) is not None


@dataclass(frozen=True)
class Surroundings:
    """The project around a property file.

    Attributes:
        docs: the text of a docs block, by its name; raises KeyError or ConfigurationError where there is none. None
            leaves `{{ doc('x') }}` as it stands.
        other_tables: the lake's table for the arguments of `ref` (one) or `source` (two); raises likewise.
        generic_tests: templates of the tests that the project defines, by name.
        render: renders them.
        stage: the folder of the lake that the file's tables are in.
    """

    docs: Callable[[str], str] | None = None
    other_tables: Callable[[tuple[str, ...]], str] = table_by_convention
    generic_tests: Mapping[str, str] = field(default_factory=dict)
    render: Render | None = None
    stage: str = "features"

    def description(self, text: str) -> str:
        """A description with its docs blocks filled in.

        Raises:
            KeyError, ConfigurationError: there is no such block.
        """
        docs = self.docs
        return text if docs is None else _DOC.sub(lambda found: docs(found[1] or found[2]), text)

    def table(self, reference: str) -> str:
        """The lake's table that `ref('x')` or `source('group', 'x')` means.

        Raises:
            ValueError: it is neither.
            KeyError, ConfigurationError: there is no such table.
        """
        call = _REFERENCE.fullmatch(reference.strip())
        names = tuple(single or double for single, double, _ in _NAMES.findall(call[2])) if call else ()
        if call is None or _NAMES.sub("", call[2]) or len(names) != {"ref": 1, "source": 2}[call[1]]:
            raise ValueError(f"{reference!r} names no table")
        return self.other_tables(names)
