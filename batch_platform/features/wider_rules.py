"""Rules that read other tables: which table's building evaluates them.

A rule can be evaluated once every table that it reads is there. One that reads a table which is made from the rule's
own therefore belongs to that one, as a query that must yield no row; it can refuse a partition there, but no longer
send single rows to quarantine. A singular test belongs to the last table that it reads, likewise.

Belongs here: moving rules between contracts. Does not belong here: evaluating them (`queries.py`, `selection.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from batch_platform.contracts.contract import Contract, digest_of
from batch_platform.contracts.rules import Rule, Severity
from batch_platform.contracts.set_rules import Relationship
from batch_platform.contracts.table_query import TableQuery
from batch_platform.lake.store import relation
from batch_platform.sql.sql_tests import SingularTest


def singular_queries(tests: Iterable[SingularTest]) -> list[TableQuery]:
    """Singular tests as rules."""
    return [TableQuery(test.name, test.compile(), test.inputs, severity=_severity(test)) for test in tests]


def with_queries(contract: Contract, queries: Sequence[TableQuery]) -> Contract:
    """The contract with further rules."""
    return _holding(contract, (*contract.rules, *queries)) if queries else contract


def without_later(contract: Contract, later: Sequence[str]) -> tuple[Contract, dict[str, list[TableQuery]]]:
    """The contract without the rules that read tables which come later, and these rules by the last table they read.

    Args:
        contract: the contract.
        later: the tables that are made after this one, in order.
    """
    table, moved = f"features/{contract.model}", dict[str, list[TableQuery]]()
    for rule in [*(rule for column in contract.columns for rule in column.rules), *contract.rules]:
        read = [name for name in later if name in _reads(rule)]
        if read:
            moved.setdefault(read[-1], []).append(_as_query(rule, table))
    if not moved:
        return contract, {}
    columns = tuple(
        replace(column, rules=tuple(rule for rule in column.rules if not _reads(rule) & set(later)))
        for column in contract.columns
    )
    rules = tuple(rule for rule in contract.rules if not _reads(rule) & set(later))
    return _holding(replace(contract, columns=columns), rules), moved


def _holding(contract: Contract, rules: tuple[Rule, ...]) -> Contract:
    return replace(contract, rules=rules, digest=digest_of(contract.model, contract.columns, rules))


def _reads(rule: Rule) -> set[str]:
    if isinstance(rule, Relationship):
        return {rule.other}
    return set(rule.tables) if isinstance(rule, TableQuery) else set()


def _as_query(rule: Rule, table: str) -> TableQuery:
    """A rule of another table: the rows that break it must be none."""
    name = f"{table}: {rule.name}"
    if isinstance(rule, TableQuery):
        return replace(rule, test=name, tables=_several(rule.tables, table))
    assert isinstance(rule, Relationship)
    sql = f"SELECT * FROM {relation(table)} AS model WHERE NOT {rule.sql('model')}"
    return TableQuery(name, sql, (table, rule.other), severity=rule.severity)


def _several(tables: Collection[str], table: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*tables, table)))


def _severity(test: SingularTest) -> Severity:
    setting = test.settings.get("severity")
    return Severity(str(setting.value).lower()) if setting else Severity.ERROR
