"""Whether a model yields what its contract says, found out without rows when definitions load.

Belongs here: the columns of a bound query and the contract that they are held against, or complete. Does not belong
here: binding it (`sql/binding.py`), or judging rows (`contracts/validation.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import pyarrow as pa

from batch_platform.contracts.bound_columns import may_become, spelled
from batch_platform.contracts.contract import Contract, digest_of
from batch_platform.contracts.schema_yml import contract_of, contract_of_columns
from batch_platform.contracts.surroundings import Rendered, Surroundings
from batch_platform.contracts.table_query import TableQuery
from batch_platform.errors import ConfigurationError
from batch_platform.features.definition import is_stored
from batch_platform.sql.binding import POSITION, input_schema
from batch_platform.sql.model import SqlModel
from batch_platform.sql.project import Project
from batch_platform.sql.properties import Entry


def agreed_contract(model: SqlModel, project: Project, bound: pa.Schema | None, *, partitioned: bool) -> Contract:
    """The contract of a model, which its query keeps as far as that can be told without rows.

    A stored table with partitions declares all of its contract, and so does a model with `contract: {enforced: true}`.
    Of any other model the SQL decides what a property file leaves open.

    Args:
        model: the model.
        project: whose property files may speak of it.
        bound: the columns that its query yields; None where they are not known yet.
        partitioned: whether it has partitions.

    Raises:
        ConfigurationError: `file:line: what`; there is no contract where one must be, it means nothing, or the query
            yields other columns.
    """
    entry = project.properties.models.get(model.name)
    around = surroundings(project)
    if model.config.contract_enforced or (partitioned and is_stored(model)):
        if entry is None:
            raise ConfigurationError(
                f"model {model.name!r} has no contract",
                where=str(model.path),
                fix="describe it in schema.yml beside it",
            )
        contract = _enabled(contract_of(entry, surroundings=around))
        if bound is not None:
            _refuse_other_columns(model, bound, contract, POSITION if partitioned and is_stored(model) else ())
        return contract
    if entry is not None and (bound is not None or _names_columns(entry)):
        return _enabled(contract_of(entry, bound, surroundings=around, partitioned=partitioned))
    if bound is None:
        raise ConfigurationError(
            "its columns cannot be told, since an input does not declare its own",
            where=str(model.path),
            fix=f"add source.columns to {' or '.join(model.inputs)}",
        )
    return contract_of_columns(model.name, bound, model.path)


def surroundings(project: Project, stage: str = "features") -> Surroundings:
    """What the property files of a project may name."""
    tables = project.language.tables

    def render(name: str, arguments: Mapping[str, object]) -> Rendered:
        test = project.generic_tests[name].compile(arguments)
        return Rendered(test.sql, test.inputs, test.severity, test.enabled)

    return Surroundings(
        docs=lambda name: project.docs[name],
        other_tables=lambda names: tables.ref(names[0]) if len(names) == 1 else tables.source(*names),
        generic_tests={name: name for name in project.generic_tests},
        render=render,
        stage=stage,
    )


def stored_columns(contract: Contract, *, partitioned: bool) -> pa.Schema:
    """The columns of a feature table as others read it: with each row's position and its key, if it has partitions."""
    if not partitioned:
        return contract.arrow_schema()
    return input_schema({column.name: column.arrow_type for column in contract.columns}, partitioned=True)


def _enabled(contract: Contract) -> Contract:
    """The contract without the rules that a test's own block switches off."""
    rules = tuple(rule for rule in contract.rules if not isinstance(rule, TableQuery) or rule.origin.enabled)
    if rules == contract.rules:
        return contract
    return replace(contract, rules=rules, digest=digest_of(contract.model, contract.columns, rules))


def _names_columns(entry: Entry) -> bool:
    return "columns" in entry.document.mapping(entry.node, entry.name, None)


def _refuse_other_columns(model: SqlModel, bound: pa.Schema, contract: Contract, further: Collection[str]) -> None:
    found = bound.names
    declared = [*(column.name for column in contract.columns), *further]
    differences = [
        f"{label} {', '.join(names)}"
        for label, names in (
            ("missing", [name for name in declared if name not in found]),
            ("undeclared", [name for name in found if name not in declared]),
        )
        if names
    ]
    for column in contract.columns:
        kind = bound.field(column.name).type if column.name in found else pa.null()
        if not may_become(kind, column.data_type):
            differences.append(f"{column.name} is {spelled(kind)}, declared {column.data_type}")
    if differences:
        raise ConfigurationError(
            f"its columns differ from the contract: {'; '.join(differences)}",
            where=str(model.path),
            fix=f"correct the SQL or {contract.path}",
        )
