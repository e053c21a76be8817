"""What is known of where columns come from: references to columns of the lake's tables.

Belongs here: the words of column lineage. Does not belong here: following a query (`scopes.py`), or many
(`lineage.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, order=True)
class ColumnRef:
    """A column of a table of the lake: `stage/name` and the column's name."""

    table: str
    column: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


Refs = tuple[ColumnRef, ...]


class UnknownColumn(LookupError):
    """A name in a query that no source of it is known to have; the message says which."""


@dataclass(frozen=True)
class Outputs:
    """What a scope yields.

    Args:
        columns: each column's origin, or what is not known of it.
        rest: the origin of any other name.
        expanded: the origin of a name that COLUMNS(...) stands for.
    """

    columns: Mapping[str, Refs | UnknownColumn]
    rest: Refs | None = None
    expanded: Callable[[str], Refs] | None = field(default=None, compare=False)

    def get(self, name: str) -> Refs:
        """The origin of one column."""
        found = self.columns.get(name, self.rest)
        if found is None and self.expanded is not None:
            return self.expanded(name)
        if isinstance(found, UnknownColumn):
            raise found
        if found is None:
            raise UnknownColumn(f"no source is known to have a column {name!r}")
        return found

    def tried(self, name: str) -> Refs | None:
        """The origin of one column; None where it is not known."""
        try:
            return self.get(name)
        except UnknownColumn:
            return None

    def all(self) -> Refs:
        """The origins of all columns, in order."""
        return merged([*(self.get(name) for name in self.columns), self.rest or ()])


def merged(several: Iterable[Refs]) -> Refs:
    """All references, each once, in order of first mention."""
    return tuple(dict.fromkeys(ref for refs in several for ref in refs))
