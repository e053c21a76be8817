"""Reading data contracts from `schema.yml` files.

What belongs here: which files, models and columns are declared. What does not: their tests (`data_tests.py`), and
the contract as a value (`contract.py`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from pathlib import Path

import yaml  # type: ignore[import-untyped, unused-ignore]

from batch_platform.contracts.column_types import canonical, instead_of
from batch_platform.contracts.contract import Column, Contract, Role
from batch_platform.contracts.data_tests import SPELLINGS, DataTests
from batch_platform.contracts.rules import NotNull, Rule
from batch_platform.errors import ConfigurationError
from batch_platform.sql.yaml_nodes import Document


def load_contracts(folder: Path) -> dict[str, Contract]:
    """Every contract declared in the folder's `*.yml` and `*.yaml` files, by model name.

    Raises:
        ConfigurationError: naming file and line, where a file says anything that would not be enforced.
    """
    if not folder.is_dir():
        raise ConfigurationError("no such folder of models", where=str(folder))
    contracts: dict[str, Contract] = {}
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".yml", ".yaml") and p.is_file()):
        document = Document(path)
        for contract, node in _contracts(document):
            if contract.model in contracts:
                earlier = contracts[contract.model].path
                document.refuse(node, f"model {contract.model} is declared twice, first in {earlier}")
            contracts[contract.model] = contract
    return contracts


def _contracts(document: Document) -> Iterator[tuple[Contract, yaml.Node]]:
    root = document.root()
    if root is None:
        raise ConfigurationError("the file declares no models", where=f"{document.path}:1")
    top = document.mapping(root, "the file", ("version", "models"))
    if "version" in top and document.value(top["version"]) != 2:
        document.refuse(top["version"], "version must be 2")
    if "models" not in top:
        document.refuse(root, "the file declares no models")
    for node in document.items(top["models"], "models"):
        yield _contract(document, node), node


def _contract(document: Document, node: yaml.Node) -> Contract:
    parts = document.mapping(node, "a model", ("name", "description", "meta", "columns", *SPELLINGS))
    model = document.text(document.required(node, parts, "name", "the model"), "a model's name")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", model):
        document.refuse(parts["name"], f"{model!r} is no name for a model", "use a-z, 0-9 and _")
    description = document.text(parts["description"], "description") if "description" in parts else ""
    if "meta" in parts:
        document.mapping(parts["meta"], "meta", None)
    tests = DataTests(document)
    columns: dict[str, Column] = {}
    for item in document.items(document.required(node, parts, "columns", f"model {model}"), "columns"):
        column = _column(document, item, tests)
        if any(column.name.lower() == other.lower() for other in columns):
            document.refuse(item, f"column {column.name} is declared twice")
        columns[column.name] = column
    if not columns:
        document.refuse(parts["columns"], f"model {model} declares no columns")
    rules = tests.of_model(parts, {name: column.polars_type for name, column in columns.items()})
    declared = tuple(columns.values())
    return Contract(model, description, declared, rules, document.path, _digest(model, declared, rules))


def _column(document: Document, node: yaml.Node, tests: DataTests) -> Column:
    parts = document.mapping(node, "a column", ("name", "description", "data_type", "meta", *SPELLINGS))
    name = document.text(document.required(node, parts, "name", "the column"), "a column's name")
    if not name.isidentifier() or name.startswith("_"):
        fix = "use letters, digits and _; names that begin with _ belong to the platform"
        document.refuse(parts["name"], f"{name!r} is no name for a column", fix)
    data_type = _data_type(document, document.required(node, parts, "data_type", f"column {name}"), name)
    meta = document.mapping(parts["meta"], "meta", ("role", "unit", "personal")) if "meta" in parts else {}
    role = None
    if "role" in meta:
        spelled = document.text(meta["role"], "role")
        if spelled not in list(Role):
            document.refuse(meta["role"], f"unknown role {spelled!r}", f"use {', '.join(Role)}")
        role = Role(spelled)
    personal = document.value(meta["personal"]) if "personal" in meta else False
    if not isinstance(personal, bool):
        document.refuse(meta["personal"], "personal must be true or false")
    rules = tests.of_column(parts, name, data_type)
    return Column(
        name=name,
        data_type=data_type,
        description=document.text(parts["description"], "description") if "description" in parts else "",
        nullable=not any(isinstance(rule, NotNull) for rule in rules),
        role=role,
        unit=document.text(meta["unit"], "unit") if "unit" in meta else None,
        personal=personal,
        rules=rules,
    )


def _data_type(document: Document, node: yaml.Node, column: str) -> str:
    spelled = document.text(node, "data_type")
    if (name := canonical(spelled)) is None:
        shown = " ".join(spelled.upper().split())
        document.refuse(node, f"column {column}: the lake does not store {shown}", instead_of(spelled))
    return name


def _digest(model: str, columns: Sequence[Column], rules: Sequence[Rule]) -> str:
    def spelled(found: Sequence[Rule]) -> list[str]:
        return sorted(json.dumps([type(rule).__name__, *astuple(rule)], default=str) for rule in found)

    content = {
        "model": model,
        "columns": [[c.name, c.data_type, c.role, c.unit, c.personal, spelled(c.rules)] for c in columns],
        "rules": spelled(rules),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
