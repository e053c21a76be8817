"""The columns of a model: what its property file says of them, and what its SQL yields.

What belongs here: names, types and roles of columns, and where file and SQL differ. What does not: tests on columns
(`data_tests.py`), and Arrow's types (`bound_columns.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import yaml

from batch_platform.contracts.bound_columns import declared_type, may_become, own_columns
from batch_platform.contracts.column_types import canonical, instead_of
from batch_platform.contracts.contract import Column, Role, is_nullable
from batch_platform.contracts.data_tests import SPELLINGS
from batch_platform.contracts.documentation import Documentation
from batch_platform.contracts.rules import RowRule, Rule
from batch_platform.contracts.surroundings import Surroundings
from batch_platform.errors import ConfigurationError
from batch_platform.sql.yaml_nodes import Document

_KEYS = ("name", "description", "data_type", "meta", "tags", "config", "quote", "constraints", *SPELLINGS)
_NAME = "use letters, digits and _; names that begin with _ belong to the platform"


@dataclass(frozen=True)
class DeclaredColumns:
    """The columns that one entry of a property file names, in its order.

    Attributes:
        document: the file.
        model: the entry's node.
        items: each column's node, by name.
        parts: the parts of each column, by name.
    """

    document: Document
    model: yaml.Node
    items: Mapping[str, yaml.Node]
    parts: Mapping[str, Mapping[str, yaml.Node]]

    @classmethod
    def read(cls, document: Document, model: yaml.Node, node: yaml.Node | None) -> DeclaredColumns:
        """Read a list of columns; None for an entry that has none.

        Raises:
            ConfigurationError: with its line, where a column has no proper name, or stands there twice.
        """
        items: dict[str, yaml.Node] = {}
        parts: dict[str, Mapping[str, yaml.Node]] = {}
        for item in document.items(node, "columns") if node is not None else ():
            own = document.mapping(item, "a column", _KEYS)
            name = document.text(document.required(item, own, "name", "the column"), "a column's name")
            if not _is_name(name):
                document.refuse(own["name"], f"{name!r} is no name for a column", _NAME)
            if any(name.lower() == other.lower() for other in items):
                document.refuse(item, f"column {name} is declared twice")
            items[name], parts[name] = item, own
        return cls(document, model, items, parts)

    def types(self, bound: pa.Schema | None) -> dict[str, str]:
        """The canonical type of each column: those of the file, or of the SQL and in its order where that is bound.

        Raises:
            ConfigurationError: with its line, where a type is missing, unknown, or not what the SQL yields.
        """
        if bound is None:
            return {
                name: self._data_type(
                    self.document.required(self.items[name], dict(own), "data_type", f"column {name}"), name
                )
                for name, own in self.parts.items()
            }
        found = own_columns(bound)
        for name, own in self.parts.items():
            if name not in found:
                near = next((other for other in found if other.lower() == name.lower()), None)
                fix = f"it yields {near}" if near else "correct the name, or select the column"
                self.document.refuse(own["name"], f"the SQL yields no column {name}", fix)
        return {name: self._type_of(name, kind) for name, kind in found.items()}

    def column(self, name: str, data_type: str, rules: Iterable[Rule], around: Surroundings) -> Column:
        """A column as the contract holds it, with those of the rules that are on rows.

        Raises:
            ConfigurationError: with its line, where its description or meta cannot be meant.
        """
        document, own = self.document, Documentation(self.document, self.parts.get(name, {}))
        meta = own.meta(("role", "unit", "personal"))
        role = None
        if "role" in meta:
            spelled = document.text(meta["role"], "role")
            if spelled not in list(Role):
                document.refuse(meta["role"], f"unknown role {spelled!r}", f"use {', '.join(Role)}")
            role = Role(spelled)
        personal = document.value(meta["personal"]) if "personal" in meta else False
        if not isinstance(personal, bool):
            document.refuse(meta["personal"], "personal must be true or false")
        unit = document.text(meta["unit"], "unit") if "unit" in meta else None
        on_rows = tuple(rule for rule in rules if isinstance(rule, RowRule))
        return Column(name, data_type, own.description(around), is_nullable(on_rows), role, unit, personal, on_rows)

    def _type_of(self, name: str, kind: pa.DataType) -> str:
        node = self.parts.get(name, {}).get("data_type")
        if node is None:
            place = self.items.get(name, self.model).start_mark.line + 1
            return undeclared_type(name, kind, f"{self.document.path}:{place}")
        declared = self._data_type(node, name)
        if not may_become(kind, declared):
            fix = "correct the SQL or the type"
            self.document.refuse(node, f"column {name} is {declared}, but the SQL yields {kind}", fix)
        return declared

    def _data_type(self, node: yaml.Node, column: str) -> str:
        spelled = self.document.text(node, "data_type")
        if (name := canonical(spelled)) is None:
            shown = " ".join(spelled.upper().split())
            self.document.refuse(node, f"column {column}: the lake does not store {shown}", instead_of(spelled))
        return name


def undeclared_type(name: str, kind: pa.DataType, where: str) -> str:
    """The canonical type of a column that no file gives one.

    Raises:
        ConfigurationError: at `where`: it has no proper name, or a type that the lake does not store.
    """
    if not _is_name(name):
        fix = f"name it in the SQL: AS ...; {_NAME}"
        raise ConfigurationError(f"{name!r} is no name for a column", where=where, fix=fix)
    return declared_type(name, kind, where)


def _is_name(name: str) -> bool:
    return name.isidentifier() and not name.startswith("_")
