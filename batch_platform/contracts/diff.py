"""What changed between two contracts of one table, and what that means to those who read it.

What belongs here: comparing columns, and the verdict on each difference. What does not: comparing rules
(`rule_changes.py`), what is kept of a contract (`record.py`), and what becomes of a breaking change.

A change is **breaking** when readers of the stored rows can fail or misread them: a column is gone or has a type that
does not hold all it held, a role or unit is another, or a promise about the rows is gone: a value may be missing,
outside its old range or set, repeated, without its counterpart. It is **stricter** when rows, or a partition, may be
rejected that would have been accepted before. A change may be both, or neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from batch_platform.contracts.changes import Change, ChangeKind
from batch_platform.contracts.column_types import holds
from batch_platform.contracts.contract import Contract
from batch_platform.contracts.record import ColumnRecord, ContractRecord, record_of
from batch_platform.contracts.rule_changes import rule_changes


def diff(old: Contract | ContractRecord, new: Contract | ContractRecord) -> tuple[Change, ...]:
    """The changes from one contract of a table to a later one: of columns in their order, then of rules by name.

    Raises:
        ValueError: they are of two tables.
    """
    before, after = record_of(old), record_of(new)
    if before.model != after.model:
        raise ValueError(f"{before.model} and {after.model} are two tables")
    return (*_table(before, after), *_columns(before, after), *rule_changes(before, after))


def describe(changes: Iterable[Change]) -> str:
    """The changes, one line each, breaking ones first; empty without any."""
    ordered = sorted(changes, key=lambda change: not change.breaking)
    return "\n".join(str(change) for change in ordered)


def _table(old: ContractRecord, new: ContractRecord) -> Iterator[Change]:
    if old.description != new.description:
        yield Change(ChangeKind.DESCRIPTION, None, "the table is described in other words")
    kept = {column.name for column in old.columns} & {column.name for column in new.columns}
    orders = [[column.name for column in record.columns if column.name in kept] for record in (old, new)]
    if orders[0] != orders[1]:
        yield Change(ChangeKind.REORDERED, None, "the columns stand in another order; readers go by name")


def _columns(old: ContractRecord, new: ContractRecord) -> Iterator[Change]:
    before, after = ({column.name: column for column in record.columns} for record in (old, new))
    for name, column in before.items():
        if name not in after:
            yield Change(ChangeKind.REMOVED, name, f"the column is gone ({column.data_type})", breaking=True)
        else:
            yield from _column(column, after[name])
    for name, column in after.items():
        if name not in before:
            yield Change(ChangeKind.ADDED, name, f"a new column ({column.data_type}); rows stored before have none")


def _column(old: ColumnRecord, new: ColumnRecord) -> Iterator[Change]:
    if old.data_type != new.data_type:
        lossless = holds(new.data_type, old.data_type)
        verb = "holds" if lossless else "does not hold"
        what = f"{old.data_type} became {new.data_type}, which {verb} every old value"
        yield Change(ChangeKind.RETYPED, old.name, what, breaking=not lossless, stricter=not lossless)
    if old.role != new.role:
        yield Change(ChangeKind.ROLE, old.name, f"role {old.role or 'none'} became {new.role or 'none'}", breaking=True)
    if old.unit != new.unit:
        yield Change(ChangeKind.UNIT, old.name, f"unit {old.unit or 'none'} became {new.unit or 'none'}", breaking=True)
    if old.personal != new.personal:
        what = "holds personal data now" if new.personal else "no longer counts as personal data"
        yield Change(ChangeKind.PERSONAL, old.name, what)
    if old.description != new.description:
        yield Change(ChangeKind.DESCRIPTION, old.name, "described in other words")
