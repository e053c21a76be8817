"""From which columns of its inputs each column of a query is computed, in one pass over the query's scopes.

Belongs here: following values through a syntax tree that sqlglot has qualified. Does not belong here: what is made of
it (`lineage.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope

from batch_platform.sql.origin import ColumnRef, Outputs, Refs, UnknownColumn, merged


def origins(tree: exp.Expr, tables: Mapping[str, pa.Schema], names: Sequence[str]) -> list[Refs | UnknownColumn]:
    """For each column that a query yields the input columns whose values it is computed from.

    A condition of a CASE, a FILTER, and what a window is partitioned and ordered by count; WHERE, GROUP BY and what
    joins match on do not: they decide about rows, not about a value.

    Args:
        tree: the parsed query; it is changed.
        tables: `stage/name` -> columns of the relation `"stage"."name"`.
        names: the columns' names, in order, as DuckDB tells them.

    Raises:
        sqlglot.errors.SqlglotError: sqlglot cannot qualify it.
        UnknownColumn: it is no query whose columns sqlglot can tell.
    """
    stages: dict[str, dict[str, dict[str, str]]] = {}
    for table, columns in tables.items():
        stage, _, name = table.rpartition("/")
        stages.setdefault(stage or "main", {})[name] = dict.fromkeys(columns.names, "unknown")
    if isinstance(tree, exp.Subquery) and not tree.args.get("with_"):
        tree = tree.unnest().copy()
    qualified = qualify(
        tree, dialect="duckdb", schema={**stages}, validate_qualify_columns=False, quote_identifiers=False
    )
    scopes = list(traverse_scope(qualified))
    if not scopes:
        raise UnknownColumn(f"columns of {type(tree).__name__.upper()} are not followed")
    walk, found = _Walk(scopes, tables), []
    told = [refs for _, refs in walk.named(scopes[-1])]
    for place, name in enumerate(names):
        refs = told[place] if len(told) == len(names) else UnknownColumn("the column is not followed")
        if isinstance(refs, UnknownColumn):  # one of several columns that one expression stands for
            expanded = walk.outputs(scopes[-1]).tried(name.lower())
            refs = refs if expanded is None else expanded
        found.append(refs)
    return found


@dataclass
class _Walk:
    scopes: list[Scope]
    tables: Mapping[str, pa.Schema]
    known: dict[int, Outputs] = field(default_factory=dict)
    recursive: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.by_scope = {id(scope) for scope in self.scopes}
        self.by_expression = {id(scope.expression): scope for scope in self.scopes}
        self.inputs = {
            table.lower(): (table, {column.lower(): column for column in columns.names})
            for table, columns in self.tables.items()
        }

    def named(self, scope: Scope) -> list[tuple[str, Refs | UnknownColumn]]:
        """The columns of a query's scope, in order."""
        query = scope.expression
        if isinstance(query, exp.Query) and not isinstance(query, exp.SetOperation):
            return [(column.alias_or_name, self.tried(column, scope)) for column in query.selects]
        sides = [self.named(side) for side in scope.set_operation_scopes]
        if isinstance(query, exp.Except):
            return sides[0]
        if query.args.get("by_name"):
            right = dict(sides[1])
            both = [(name, _both(refs, right.pop(name, ()))) for name, refs in sides[0]]
            return both + list(right.items())
        return [(name, _both(refs, other)) for (name, refs), (_, other) in zip(*sides, strict=False)]

    def outputs(self, scope: Scope) -> Outputs:
        """What a scope yields, each worked out once."""
        query = scope.expression
        if id(scope) not in self.by_scope and query.find_ancestor(exp.SetOperation):  # a recursive query's own name
            scope = self.by_expression[id(query.find_ancestor(exp.SetOperation))]
            self.recursive.add(id(scope))
        if id(scope) not in self.known:
            before = self.known.copy()
            found, told = Outputs({}, ()), Outputs({}, ())
            while True:
                self.known[id(scope)] = told
                found = self.computed(scope)
                if found == told or id(scope) not in self.recursive:
                    break
                self.known, told = before.copy(), found  # again, now that more is known of what it takes from itself
            self.known[id(scope)] = found
        return self.known[id(scope)]

    def computed(self, scope: Scope) -> Outputs:
        if isinstance(scope.expression, exp.Query) and not scope.is_udtf:
            columns: dict[str, Refs | UnknownColumn] = {}
            for name, refs in self.named(scope):
                columns.setdefault(name, refs)
            several = [column for column in scope.expression.selects if column.find(exp.Columns)]
            if len(several) == 1 and scope.sources:
                return Outputs(columns, expanded=lambda name: self.refs(several, scope, name))
            return Outputs(columns)
        inner = scope.sources.get("")
        if isinstance(inner, Scope):
            return self.outputs(inner)
        return Outputs({}, self.refs(scope.expression.iter_expressions(), scope))

    def tried(self, column: exp.Expr, scope: Scope) -> Refs | UnknownColumn:
        try:
            if column.is_star or column.find(exp.Columns, exp.PositionalColumn):
                raise UnknownColumn(f"{column.sql('duckdb')} is not followed")
            return self.refs([column], scope)
        except UnknownColumn as unknown:
            return unknown

    def refs(self, parts: Iterable[exp.Expr], scope: Scope, expanded: str = "") -> Refs:
        """The input columns in some expressions of a scope, in order of first mention; COLUMNS(...) is `expanded`."""
        found: dict[ColumnRef, None] = {}
        waiting = list(parts)[::-1]
        while waiting:
            part = waiting.pop()
            below = self.by_expression.get(id(part))
            if isinstance(part, exp.Columns) and expanded:
                found |= dict.fromkeys(self.column("", expanded, scope))
            elif isinstance(part, exp.TableColumn):
                found |= dict.fromkeys(self.row(part.name, scope))
            elif isinstance(part, exp.Column):
                found |= dict.fromkeys(self.column(part.table, part.name, scope))
            elif below is not None and below is not scope:
                rows = isinstance(part.parent, exp.Exists)
                found |= dict.fromkeys(self.refs(part.iter_expressions(), below) if rows else self.outputs(below).all())
            else:
                if isinstance(part, exp.Window) and part.alias:
                    waiting += self.window(part.alias, scope)
                waiting += list(part.iter_expressions())[::-1]
        return tuple(found)

    def window(self, name: str, scope: Scope) -> list[exp.Expr]:
        """What a named window is partitioned and ordered by."""
        return [window for window in scope.expression.args.get("windows") or () if window.name == name]

    def column(self, table: str, name: str, scope: Scope) -> Refs:
        """A column by its name, looked for in this scope and then in those around it."""
        around: Scope | None = scope
        while around is not None:
            for alias, source in around.sources.items():
                if table == alias:
                    return self.of(source, name)
                if not table:
                    try:
                        return self.of(source, name)
                    except UnknownColumn:
                        continue
            for pivot in around.pivots:
                if not table or pivot.alias == table:
                    return self.pivoted(pivot, name, around)
            around = around.parent
        if table:  # a field of a struct: what looks like a table is a column
            return self.column("", table, scope)
        raise UnknownColumn(f"no source is known to have a column {name!r}")

    def of(self, source: exp.Table | Scope, name: str) -> Refs:
        if isinstance(source, Scope):
            return self.outputs(source).get(name)
        if not isinstance(source.this, exp.Identifier):  # a table function reads no table
            return ()
        table, columns = self.input(source)
        renamed = [column.name for column in source.args["alias"].columns] if source.args.get("alias") else []
        given = dict(zip(renamed, columns.values(), strict=False)) | dict(list(columns.items())[len(renamed) :])
        if name not in given:
            raise UnknownColumn(f"{table} is not known to have a column {name!r}")
        return (ColumnRef(table, given[name]),)

    def row(self, name: str, scope: Scope) -> Refs:
        """A whole row of a source, named by itself."""
        source = scope.sources.get(name)
        if source is None:
            return self.column("", name, scope)
        if isinstance(source, Scope):
            return self.outputs(source).all()
        table, columns = self.input(source)
        return tuple(ColumnRef(table, column) for column in columns.values())

    def input(self, source: exp.Table) -> tuple[str, Mapping[str, str]]:
        spelled = f"{source.db}/{source.name}" if source.db else source.name
        if spelled.lower() not in self.inputs:
            raise UnknownColumn(f"{spelled} is no known table")
        return self.inputs[spelled.lower()]

    def pivoted(self, pivot: exp.Pivot, name: str, scope: Scope) -> Refs:
        """A column of a pivot: one of the pivoted table, or one computed from what the pivot mentions."""
        mentioned = self.refs([*pivot.expressions, *pivot.args.get("fields", ())], scope)
        for source in scope.sources.values():
            try:
                own = self.of(source, name)
            except UnknownColumn:
                continue
            if not set(own) <= set(mentioned):
                return own
        return mentioned


def _both(one: Refs | UnknownColumn, other: Refs | UnknownColumn) -> Refs | UnknownColumn:
    if isinstance(one, UnknownColumn):
        return one
    return other if isinstance(other, UnknownColumn) else merged([one, other])
