"""Rules that read other tables: which table's building evaluates them.

A rule can be evaluated once every table that it reads is there. One that reads a table which is made from the rule's
own therefore belongs to that one, as a query that must yield no row; it can refuse a partition there, but no longer
send single rows to quarantine. So does one that reads its own table, whose rows are there only when all are written.
A singular test belongs to the last table that it reads, likewise.

Belongs here: moving rules between contracts. Does not belong here: evaluating them (`queries.py`, `selection.py`), and
the order of tables (`model_order.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from batch_platform.contracts.contract import Contract, digest_of
from batch_platform.contracts.rules import Rule, Severity
from batch_platform.contracts.set_rules import Relationship
from batch_platform.contracts.table_query import Origin, TableQuery
from batch_platform.errors import ConfigurationError
from batch_platform.lake.store import relation
from batch_platform.sql.sql_tests import SingularTest

AnyRule = TypeVar("AnyRule", bound=Rule)

AS_VIEW = "materialize it as a view, which is tested and not stored"
"""What to do where a model that is only text in other models would have to be tested."""


@dataclass
class WiderRules:
    """Takes the contracts of models in their order, and gives each the rules that its building evaluates.

    Args:
        order: the tables of all models, each after those that it reads.
        ephemeral: those of them that nothing builds.
        singular: the singular tests of each.
        places: for each the tables that its own tests read, with the `file:line` that says so.
    """

    order: Sequence[str] = ()
    ephemeral: frozenset[str] = frozenset()
    singular: Mapping[str, Sequence[SingularTest]] = field(default_factory=dict)
    places: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    _moved: dict[str, list[TableQuery]] = field(default_factory=dict)

    def settle(self, contract: Contract) -> Contract:
        """The contract with the rules that its table's building evaluates: what moves on is kept for a later call.

        Raises:
            ConfigurationError: a rule would move to an ephemeral model.
        """
        table = contract.table
        later = self.order[self.order.index(table) + 1 :] if table in self.order else ()
        queries: list[TableQuery] = []

        def staying(rules: Sequence[AnyRule]) -> tuple[AnyRule, ...]:
            kept = []
            for rule in rules:
                named = _reads(rule)
                read = [name for name in later if name in named] if named else []
                if read:
                    self._refuse_ephemeral(rule, table, read[-1])
                    self._moved.setdefault(read[-1], []).append(self._moving(rule, table))
                elif isinstance(rule, Relationship) and rule.other == table:
                    queries.append(self._on_itself(rule, table))
                else:
                    kept.append(rule)
            return tuple(kept)

        columns = tuple(replace(column, rules=staying(column.rules)) for column in contract.columns)
        kept = staying(contract.rules)
        rules = (*kept, *queries, *map(_as_rule, self.singular.get(table, ())), *self._moved.pop(table, []))
        if columns == contract.columns and rules == contract.rules:
            return contract
        return replace(contract, columns=columns, rules=rules, digest=digest_of(contract.model, columns, rules))

    def place(self, rule: Rule, table: str) -> str:
        """Where a rule that a table's property file declares says which other table it reads; empty if unknown."""
        if isinstance(rule, TableQuery):
            return rule.origin.place
        return self.places.get(table, {}).get(rule.other, "") if isinstance(rule, Relationship) else ""

    def _moving(self, rule: Rule, table: str) -> TableQuery:
        """A rule of another table: the rows that break it must be none."""
        name = f"{table}: {rule.name}"
        if isinstance(rule, TableQuery):
            tables = tuple(dict.fromkeys((*rule.tables, table)))
            return replace(rule, test=name, tables=tables, source=replace(rule.origin, moved_from=table))
        assert isinstance(rule, Relationship)
        origin = Origin(self.place(rule, table), moved_from=table)
        return TableQuery(name, _breaking(rule, table), (table, rule.other), (), origin, severity=rule.severity)

    def _on_itself(self, rule: Relationship, table: str) -> TableQuery:
        """A rule that looks for a value among the very rows that are judged."""
        origin = Origin(self.place(rule, table))
        about = (rule.column,)
        return TableQuery(rule.name, _breaking(rule, table), (table,), about, origin, severity=rule.severity)

    def _refuse_ephemeral(self, rule: Rule, table: str, last: str) -> None:
        if last in self.ephemeral:
            raise ConfigurationError(
                f"{rule.name} reads {last}, which is made from {table} and ephemeral, so that nothing builds it",
                where=self.place(rule, table),
                fix=AS_VIEW,
            )


def _breaking(rule: Relationship, table: str) -> str:
    """The rows of a table that break a rule, as a query."""
    return f"SELECT * FROM {relation(table)} AS model WHERE NOT {rule.sql('model')}"


def _as_rule(test: SingularTest) -> TableQuery:
    origin = Origin(str(test.path), test.template)
    return TableQuery(test.name, test.compile(), test.inputs, (), origin, severity=Severity(test.severity))


def _reads(rule: Rule) -> set[str]:
    if isinstance(rule, Relationship):
        return {rule.other}
    return set(rule.tables) if isinstance(rule, TableQuery) else set()
