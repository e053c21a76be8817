"""Column lineage: from which columns a column is computed, through a query, and through all models to the sources.

Belongs here: the lineage of one query, and walking that of many, up and down. Does not belong here: following values
within a query (`scopes.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa
import sqlglot

from batch_platform.errors import first_line
from batch_platform.sql.desk import desk
from batch_platform.sql.origin import ColumnRef, Refs, UnknownColumn
from batch_platform.sql.scopes import origins

__all__ = ["ColumnRef", "Lineage", "Node", "column_lineage", "draw", "readers", "through"]

LineageOf = Mapping[str, Mapping[str, Refs]]
"""Table -> column -> the columns it is computed from; a table that is not in it is a source."""


@dataclass(frozen=True)
class Lineage:
    """What is known of a query's columns.

    Args:
        columns: output column, in order -> the input columns whose values it is computed from, in order of mention.
        unknown: output column -> why its origin is not known.
        reason: why nothing is known; empty where anything is.
    """

    columns: Mapping[str, Refs]
    unknown: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class Node:
    """A column in a walk through models, with those one step further; `why_leaf` says why there are none."""

    column: ColumnRef
    next: tuple[Node, ...] = ()
    why_leaf: str = ""


def column_lineage(sql: str, tables: Mapping[str, pa.Schema], where: str) -> Lineage:
    """For each column of a query the input columns whose values it is computed from.

    A condition of a CASE, a FILTER, and what a window is partitioned and ordered by count; WHERE, GROUP BY and what
    joins match on do not. A text that cannot be followed is no error: what is unknown is told with the reason.

    Args:
        sql: one query in DuckDB's dialect.
        tables: `stage/name` -> the columns of the relation `"stage"."name"`.
        where: the query's file, named in a reason.
    """
    try:
        with desk().holding(tables) as bound:
            names = [name for name, _ in bound.columns(sql)]
    except duckdb.Error as error:
        return Lineage({}, reason=f"{where}: {first_line(error)}")
    try:
        found = origins(sqlglot.parse_one(sql, read="duckdb"), tables, names)
    except Exception as error:  # the library's own faults, too, must not keep a project from loading
        reason = f"{where}: {first_line(error) or type(error).__name__}"
        return Lineage({}, dict.fromkeys(names, reason), reason)
    known: dict[str, Refs] = {}
    unknown: dict[str, str] = {}
    for name, refs in zip(names, found, strict=True):
        if isinstance(refs, UnknownColumn):
            unknown[name] = f"{where}: {refs}"
        else:
            known[name] = refs
    return Lineage(known, unknown)


def through(lineage_of: LineageOf, table: str, column: str) -> Node:
    """The columns that a column is computed from, step by step up to the sources."""

    def above(ref: ColumnRef) -> tuple[Refs, str]:
        if ref.table not in lineage_of:
            return (), "source"
        refs = lineage_of[ref.table].get(ref.column)
        if refs is None:
            return (), "unknown"
        return refs, "" if refs else "computed from no column"

    return _walk(ColumnRef(table, column), above)


def readers(lineage_of: LineageOf, table: str, column: str) -> Node:
    """The columns that are computed from a column, step by step down to those that nothing reads."""
    below: dict[ColumnRef, list[ColumnRef]] = {}
    for own, columns in lineage_of.items():
        for name, refs in columns.items():
            for ref in refs:
                below.setdefault(ref, []).append(ColumnRef(own, name))
    return _walk(ColumnRef(table, column), lambda ref: (tuple(sorted(below.get(ref, ()))), ""))


def draw(tree: Node, place: Mapping[str, str] | None = None) -> str:
    """A walk as lines of text; what was drawn before is not drawn again.

    Args:
        tree: the walk.
        place: table -> where it comes from, such as its model's file.
    """
    lines: list[str] = []
    drawn: set[ColumnRef] = set()

    def add(node: Node, first: str, further: str) -> None:
        again = bool(node.next) and node.column in drawn
        drawn.add(node.column)
        notes = [(place or {}).get(node.column.table, ""), node.why_leaf, "see above" if again else ""]
        told = ", ".join(note for note in notes if note)
        lines.append(f"{first}{node.column}{f'  ({told})' if told else ''}")
        children = () if again else node.next
        for at, child in enumerate(children, 1):
            last = at == len(children)
            add(child, further + ("└── " if last else "├── "), further + ("    " if last else "│   "))

    add(tree, "", "")
    return "\n".join(lines)


def _walk(start: ColumnRef, step: Callable[[ColumnRef], tuple[Refs, str]]) -> Node:
    """A tree of steps; a column that is met on the way to itself ends there, a part that is met again is shared."""
    done: dict[ColumnRef, Node] = {}

    def node(ref: ColumnRef, way: tuple[ColumnRef, ...]) -> Node:
        if ref in way:
            return Node(ref, why_leaf="itself")
        if ref not in done:
            following, why = step(ref)
            done[ref] = Node(ref, tuple(node(one, (*way, ref)) for one in following), why)
        return done[ref]

    return node(start, ())
