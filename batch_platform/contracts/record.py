"""A contract as it is kept beside the table that it was accepted for, and compared with a later one.

What belongs here: what is kept of a contract, and its form in JSON. What does not: what differs between two of them
(`diff.py`). A record outlives the code that wrote it: it names rules by class and arguments, and computes nothing.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from batch_platform.contracts.contract import Column, Contract
from batch_platform.contracts.pandera_class import PanderaCheck
from batch_platform.contracts.rules import RowRule, Rule
from batch_platform.errors import ConfigurationError

VERSION = 1
"""Of the JSON form; a reader refuses any other."""


@dataclass(frozen=True)
class RuleRecord:
    """One rule: its class, its name, what it reads, and its arguments by name; `on_rows` is false for a partition's."""

    kind: str
    name: str
    columns: tuple[str, ...]
    severity: str
    where: str | None
    on_rows: bool
    arguments: Mapping[str, object] = field(hash=False)


@dataclass(frozen=True)
class ColumnRecord:
    """One column, as `contract.Column` says it."""

    name: str
    data_type: str
    description: str
    role: str | None
    unit: str | None
    personal: bool


@dataclass(frozen=True)
class ContractRecord:
    """A contract: its columns, and all its rules, whether they are on a column, on several or on the partition."""

    model: str
    description: str
    digest: str
    columns: tuple[ColumnRecord, ...]
    rules: tuple[RuleRecord, ...]


def record_of(contract: Contract | ContractRecord) -> ContractRecord:
    """What is kept of a contract."""
    if isinstance(contract, ContractRecord):
        return contract
    rules = [*contract.row_rules, *(rule for rule in contract.rules if not isinstance(rule, RowRule))]
    return ContractRecord(
        contract.model,
        contract.description,
        contract.digest,
        tuple(map(_column, contract.columns)),
        tuple(sorted(map(_rule, rules), key=lambda rule: rule.name)),
    )


def to_json(contract: Contract | ContractRecord) -> str:
    """The record in JSON, on one line; equal records give equal text."""
    content = {"version": VERSION, **dataclasses.asdict(record_of(contract))}
    return json.dumps(content, default=_tagged, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> ContractRecord:
    """The record that `to_json` wrote.

    Raises:
        ConfigurationError: it is none, or one of another version.
    """
    try:
        content = json.loads(text, object_hook=_untagged)
        if content.pop("version") != VERSION:
            raise ConfigurationError("the record of a contract is of another version", fix="accept the contract again")
        columns = tuple(ColumnRecord(**column) for column in content.pop("columns"))
        rules = tuple(RuleRecord(**_tuples(rule)) for rule in content.pop("rules"))
        return ContractRecord(columns=columns, rules=rules, **content)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(
            f"is no record of a contract: {type(error).__name__}", fix="accept the contract again"
        ) from None


def _column(column: Column) -> ColumnRecord:
    role = None if column.role is None else str(column.role)
    return ColumnRecord(column.name, column.data_type, column.description, role, column.unit, column.personal)


def _rule(rule: Rule) -> RuleRecord:
    # What a rule reads follows from what it says, in an order that is the table's.
    told = {"label", "severity", "where", "column", "reads"}
    arguments = {f.name: getattr(rule, f.name) for f in dataclasses.fields(rule) if f.name not in told}
    where = rule.where.text if rule.where else None
    # A check on the frame may read any column, also one that is added later.
    columns = (rule.column,) if isinstance(rule, PanderaCheck) else sorted(rule.own_columns)
    return RuleRecord(
        type(rule).__name__,
        rule.name,
        tuple(column for column in columns if column is not None),
        str(rule.severity),
        where,
        isinstance(rule, RowRule),
        arguments,
    )


# JSON has no such values: a single key `$...` says which type the text stands for.
_FROM_TEXT: Mapping[str, Callable[[str], object]] = {
    "$decimal": Decimal,
    "$datetime": dt.datetime.fromisoformat,
    "$date": dt.date.fromisoformat,
}


def _tagged(value: object) -> dict[str, str]:
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, dt.datetime):
        return {"$datetime": value.isoformat()}
    if isinstance(value, dt.date):
        return {"$date": value.isoformat()}
    raise TypeError(f"{type(value).__name__} cannot be kept")


def _untagged(found: dict[str, Any]) -> object:
    if len(found) == 1:
        ((tag, text),) = found.items()
        if tag in _FROM_TEXT:
            return _FROM_TEXT[tag](text)
    return found


def _tuples(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule's lists as the tuples that they were."""
    arguments = {name: tuple(value) if isinstance(value, list) else value for name, value in rule["arguments"].items()}
    return {**rule, "columns": tuple(rule["columns"]), "arguments": arguments}
