"""What is selected of a model's rows, beside the columns that its author wrote, and in which order they come.

Belongs here: the text around a model's query. Does not belong here: running it (`sandbox.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from batch_platform.contracts.set_rules import SetRule
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.lake.store import quote_identifier, relation

RULE = "rule:"
"""How the columns begin that say whether a row keeps a rule, which the rule's name follows."""

_POSITION = {SOURCE_FILE: "VARCHAR", SOURCE_ROW: "BIGINT"}
_NEW = '"calendar:new"'


@dataclass(frozen=True)
class Selection:
    """What is selected of the relation `model`, which holds a model's rows.

    Args:
        key: the columns whose values the rows are sorted by; none means all columns.
        rules: the rules that are computed with the rows.
        position_optional: whether rows without a position in a source get an empty one.
    """

    key: tuple[str, ...] = ()
    rules: tuple[SetRule, ...] = ()
    position_optional: bool = False

    def columns(self, names: Sequence[str], relation_of: Callable[[str], str] = relation) -> str:
        """The SELECT list over a model with these columns; a rule on a column that is not there is left out.

        Args:
            names: the model's columns.
            relation_of: the SQL relation of a table that a rule reads.
        """
        found = ["model.*"]
        if self.position_optional:
            lacking = {name: kind for name, kind in _POSITION.items() if name not in names}
            found += [f"CAST(NULL AS {kind}) AS {quote_identifier(name)}" for name, kind in lacking.items()]
        for rule in self.rules:
            if set(rule.columns) <= set(names):
                found.append(f"{rule.sql('model', relation_of)} AS {quote_identifier(RULE + rule.name)}")
        return ", ".join(found)

    def order(self, types: Mapping[str, str]) -> list[str]:
        """The columns to sort by, of a model with columns of these types.

        An ENUM is stored as text and sorted as text.
        """
        found = []
        for name in self.key or types:
            if name in types:
                column = f"model.{quote_identifier(name)}"
                found.append(f"CAST({column} AS VARCHAR)" if types[name].startswith("ENUM") else column)
        return found

    def text(self, sql: str, types: Mapping[str, str]) -> str:
        """A model's query, with what is selected beside it, in order."""
        order = ", ".join(self.order(types))
        return f"SELECT {self.columns(list(types))} FROM (\n{sql}\n) AS model{f' ORDER BY {order}' if order else ''}"


def merged(sql: str, table: str, key: Sequence[str]) -> str:
    """The rows of a query, and those of a table whose key it does not give anew; without a key, all of them."""
    old = relation(table)
    names = [quote_identifier(name) for name in key]
    same = " AND ".join(f"new.{name} IS NOT DISTINCT FROM old.{name}" for name in names)
    kept = f" WHERE NOT EXISTS (SELECT 1 FROM {_NEW} AS new WHERE {same})" if names else ""
    return (
        f"WITH {_NEW} AS MATERIALIZED (\n{sql}\n) SELECT * FROM {_NEW} UNION ALL BY NAME SELECT old.* FROM {old} AS old"
        f"{kept}"
    )
