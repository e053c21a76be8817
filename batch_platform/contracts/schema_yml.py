"""Data contracts as property files declare them: from the entry of a model to its contract.

What belongs here: what an entry may say, and putting its parts together. What does not: its columns
(`declared_columns.py`), their tests (`data_tests.py`, `constraints.py`, `pandera_class.py`), finding the files of a
project (`sql/properties.py`), and the contract as a value (`contract.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import yaml

from batch_platform.contracts.bound_columns import own_columns
from batch_platform.contracts.constraints import Constraints
from batch_platform.contracts.contract import Column, Contract, digest_of
from batch_platform.contracts.data_tests import SPELLINGS, DataTests
from batch_platform.contracts.declared_columns import DeclaredColumns, undeclared_type
from batch_platform.contracts.documentation import Documentation
from batch_platform.contracts.pandera_class import rules_of_class
from batch_platform.contracts.rules import RowRule, Rule
from batch_platform.contracts.surroundings import Surroundings, table_by_convention
from batch_platform.errors import ConfigurationError
from batch_platform.sql.properties import Entry
from batch_platform.sql.yaml_nodes import Document

_KEYS = ("name", "description", "config", "meta", "tags", "columns", "constraints", "freshness", *SPELLINGS)
_UNREAD = ("docs", "access", "group", "latest_version", "deprecation_date")


def contract_of(
    entry: Entry,
    bound: pa.Schema | None = None,
    docs: Callable[[str], str] | None = None,
    other_tables: Callable[[tuple[str, ...]], str] = table_by_convention,
    *,
    surroundings: Surroundings | None = None,
    partitioned: bool = True,
) -> Contract:
    """The contract that an entry of a property file declares.

    Args:
        entry: what the file says of the model.
        bound: the columns that its SQL yields, in order. They give a type to columns that the file leaves out or
            gives none; without them every column must stand in the file, with its type.
        docs: the text of a docs block, by name.
        other_tables: the lake's table for the arguments of `ref` (one name) or `source` (two).
        surroundings: all that the entry may name; in place of `docs` and `other_tables`.
        partitioned: whether the table has partitions, and so a window for `freshness` to look at.

    Raises:
        ConfigurationError: as `file:line: what (fix)`, where the file says anything that would not be enforced, or
            what is not so.
    """
    around = surroundings or Surroundings(docs, other_tables)
    return _Reader(entry.document, entry.node, around, bound, partitioned).contract()


def contract_of_columns(model: str, bound: pa.Schema, path: Path) -> Contract:
    """The contract of a model that no property file mentions: its columns, as its SQL yields them.

    Raises:
        ConfigurationError: a column has no proper name, or a type that the lake does not store.
    """
    columns = tuple(
        Column(name, undeclared_type(name, kind, str(path)), "", True, None, None, False, ())
        for name, kind in own_columns(bound).items()
    )
    return Contract(model, "", columns, (), path, digest_of(model, columns, ()))


@dataclass(frozen=True)
class _Reader:
    """One entry, and all that is needed to understand it."""

    document: Document
    node: yaml.Node
    around: Surroundings
    bound: pa.Schema | None
    partitioned: bool

    def contract(self) -> Contract:
        document = self.document
        parts = document.mapping(self.node, "a model", (*_KEYS, *_UNREAD))
        model = document.text(document.required(self.node, parts, "name", "the model"), "a model's name")
        if not re.fullmatch(r"[a-z][a-z0-9_]*", model):
            document.refuse(parts["name"], f"{model!r} is no name for a model", "use a-z, 0-9 and _")
        if self.bound is None:
            document.required(self.node, parts, "columns", f"model {model}")
        own = Documentation(document, parts)
        declared = DeclaredColumns.read(document, self.node, parts.get("columns"))
        types = declared.types(self.bound)
        if not types:
            document.refuse(parts.get("columns", self.node), f"model {model} declares no columns")
        of_columns, of_model = self._rules(model, parts, declared, types)
        columns = tuple(declared.column(name, kind, of_columns[name], self.around) for name, kind in types.items())
        # A rule on the whole partition belongs to the model, wherever it is written.
        whole = (rule for found in of_columns.values() for rule in found if not isinstance(rule, RowRule))
        rules = (*of_model, *whole)
        return Contract(
            model,
            own.description(self.around),
            columns,
            rules,
            document.path,
            digest_of(model, columns, rules),
            tags=own.tags(),
            owners=own.owners(),
            stage=self.around.stage,
        )

    def _rules(
        self, model: str, parts: Mapping[str, yaml.Node], declared: DeclaredColumns, types: Mapping[str, str]
    ) -> tuple[dict[str, list[Rule]], list[Rule]]:
        """The rules that are written at each column, and those that are written at the model."""
        tests = DataTests(self.document, model, types, self.around)
        of_columns = {name: list(tests.of_column(declared.parts.get(name, {}), name)) for name in types}
        of_model = [*tests.of_model(parts), *self._freshness(parts, tests)]
        # After all tests, since a constraint that a test declares too is one rule.
        constraints = Constraints(tests)
        for name, found in of_columns.items():
            found += constraints.of_column(declared.parts.get(name, {}), name)
        for rule in constraints.of_model(parts):
            self._place(rule, of_columns, of_model)
        if node := Documentation(self.document, parts).meta().get("contract"):
            try:
                of_class = rules_of_class(self.document.text(node, "contract"), types)
            except ConfigurationError as error:
                self.document.refuse(node, error.what, error.fix)
            for rule in of_class:
                if not tests.has(rule):
                    self._place(tests.add(rule, node), of_columns, of_model)
        return of_columns, of_model

    def _place(self, rule: Rule, of_columns: Mapping[str, list[Rule]], of_model: list[Rule]) -> None:
        """Put a rule to the one column that it reads, or to the model."""
        only = rule.columns[0] if len(rule.columns) == 1 and isinstance(rule, RowRule) else ""
        of_columns.get(only, of_model).append(rule)

    def _freshness(self, parts: Mapping[str, yaml.Node], tests: DataTests) -> tuple[Rule, ...]:
        if "freshness" not in parts:
            return ()
        node = parts["freshness"]
        if not self.partitioned:
            fix = "remove it, or give the table partitions"
            self.document.refuse(node, "freshness needs a window, which a table without partitions has not", fix)
        return (tests.fresh(node),)
