"""Holding one partition of a feature table against its contract.

What belongs here: the columns' names and types, and which rows break which rules. What does not: the quick answer that
no row does (`screen.py`), rules on the whole partition (`table_rules.py`), and what becomes of rejected rows
(`features/quarantine.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import polars as pl

from batch_platform.contracts.contract import RULES, Column, Contract, Verdict
from batch_platform.contracts.rules import RowRule, Severity
from batch_platform.contracts.screen import suspects
from batch_platform.contracts.table_rules import PartitionState
from batch_platform.errors import ConfigurationError, ContractError
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW


def validate(
    frame: pl.DataFrame,
    contract: Contract,
    computed: Mapping[str, pl.Series] | None = None,
    *,
    state: PartitionState | None = None,
    window_end: datetime | None = None,
) -> Verdict:
    """Hold one partition of a feature table, or one batch of it, against its contract.

    Args:
        frame: the SQL's output: the contract's columns in any order, `_source_file` and `_source_row`.
            Numbers may come in another numeric type that holds the same values, times in another zone or
            finer unit.
        computed: for each of the contract's `set_rules` by name, a boolean per row: whether the row keeps it, as its
            `sql` says. Of a whole partition `Unique` may be left out, and is computed here.
        state: of the partition that this frame is a batch of; it is shown the rows, and its `finish` tells what is
            wrong with the partition. Without it the frame is the whole partition.
        window_end: where the partition's window ends; asked for by `freshness` alone, where there is no `state`.

    Raises:
        ContractError: columns missing, undeclared or of the wrong type (all of them in one message), values
            that the declared type would change, or a broken rule on the whole partition.
        ConfigurationError: pandera is switched to its Narwhals backend.
        RuntimeError: `computed` lacks a relationship, or in a batch any of the `set_rules`.
        ValueError: `computed` does not fit the rows or the rules.
    """
    from pandera.config import CONFIG

    if CONFIG.use_narwhals_backend:
        problem = "pandera's Narwhals backend does not tell which rows break a rule"
        raise ConfigurationError(problem, fix="unset PANDERA_USE_NARWHALS_BACKEND")
    rows = _conform(frame, contract)
    notes: tuple[str, ...] = ()
    masks = _masks(rows, contract, computed, whole=state is None)
    if state is None:
        own = PartitionState(contract, window_end)
        own.update(rows)
        notes = own.finish()
    else:
        state.update(rows)
    if suspected := suspects(rows, contract, masks):
        return replace(judge(rows, contract, suspected, masks), notes=notes)
    return Verdict(rows, rows.clear().with_columns(pl.Series(RULES, [], dtype=pl.String)), {}, notes=notes)


def _masks(
    rows: pl.DataFrame, contract: Contract, computed: Mapping[str, pl.Series] | None, whole: bool
) -> dict[str, pl.Series]:
    """What was computed elsewhere, and `Unique` where it was not; each rule's answer is computed once."""
    masks = dict(computed or {})
    for rule in contract.set_rules:
        if rule.name not in masks:
            if not whole:
                raise RuntimeError(f"{rule.name} needs the whole partition: compute it in SQL and give the answers")
            masks[rule.name] = rule.passes(rows)
        mask = masks[rule.name]
        if mask.dtype != pl.Boolean or len(mask) != rows.height or mask.null_count():
            raise ValueError(f"{rule.name}: needs a boolean for each of {rows.height} rows")
    if unknown := sorted(masks.keys() - {rule.name for rule in contract.set_rules}):
        raise ValueError(f"no rules on sets of rows: {', '.join(unknown)}")
    return masks


def judge(
    rows: pl.DataFrame,
    contract: Contract,
    rules: tuple[RowRule, ...],
    computed: Mapping[str, pl.Series] | None = None,
) -> Verdict:
    """The verdict of some of the contract's rules on rows in the contract's order and types.

    pandera runs each rule as a query of its own, which takes milliseconds however few the rows are; those in
    `computed` are not run again.

    Raises:
        ContractError: a rule cannot be applied.
    """
    known = computed or {}
    broken = _broken(rows, contract, tuple(rule for rule in rules if rule.name not in known))
    broken |= {rule.name: ~known[rule.name] for rule in rules if rule.name in known and not known[rule.name].all()}
    warnings = {rule.name for rule in rules if rule.severity is Severity.WARN}
    counts = {name: int(broken[name].sum()) for name in sorted(broken)}
    errors = [name for name in counts if name not in warnings]
    rejected = pl.Series(RULES, [False]).new_from_index(0, rows.height)
    for name in errors:
        rejected |= broken[name]
    names = pl.concat_str(
        [pl.when(broken[name].filter(rejected)).then(pl.lit(name)) for name in errors] or [pl.lit("")],
        separator=";",
        ignore_nulls=True,
    )
    return Verdict(
        rows.filter(~rejected),
        rows.filter(rejected).with_columns(names.alias(RULES)),
        {name: counts[name] for name in errors},
        {name: counts[name] for name in counts if name in warnings},
    )


def _broken(rows: pl.DataFrame, contract: Contract, rules: tuple[RowRule, ...]) -> dict[str, pl.Series]:
    """For each rule that some row breaks, which rows do, as pandera says."""
    from pandera.config import ValidationDepth, config_context
    from pandera.errors import SchemaErrors

    if not rules:
        return {}
    broken: dict[str, pl.Series] = {}
    try:
        # The environment can turn pandera off; a contract is not optional.
        with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
            contract.pandera_schema(rules).validate(rows.select(c.name for c in contract.columns), lazy=True)
    except SchemaErrors as errors:
        for error in errors.schema_errors:
            output = getattr(error, "check_output", None)
            if not isinstance(output, pl.DataFrame) or output.height != rows.height:
                where = contract.table
                raise ContractError(f"a rule could not be applied: {error}", where=where) from error
            broken[error.check.name] = ~output.to_series()
    return broken


def _conform(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """The frame in the contract's order and types, or a ContractError with every difference."""
    differences, columns = [], []
    found = frame.schema
    expected = dict.fromkeys([column.name for column in contract.columns] + [SOURCE_FILE, SOURCE_ROW])
    if missing := [name for name in expected if name not in found]:
        differences.append(f"missing {', '.join(missing)}")
    if undeclared := [name for name in found if name not in expected]:
        differences.append(f"undeclared {', '.join(undeclared)}")
    for column in contract.columns:
        if column.name in found:
            try:
                columns.append(_lossless(frame, column))
            except ValueError as error:
                differences.append(str(error))
    if differences:
        raise ContractError(
            f"the columns differ from {contract.path}: {'; '.join(differences)}",
            where=contract.table,
            fix="correct the SQL or the contract",
        )
    return pl.DataFrame([*columns, frame[SOURCE_FILE], frame[SOURCE_ROW]])


def _lossless(frame: pl.DataFrame, column: Column) -> pl.Series:
    """The column cast to its declared type; ValueError where kinds differ or a value would change."""
    found, dtype = frame[column.name], column.polars_type
    if found.dtype == dtype:
        return found
    same_kind = (
        found.dtype == pl.Null
        or (found.dtype.is_numeric() and dtype.is_numeric())
        or (isinstance(found.dtype, pl.Categorical | pl.Enum) and dtype == pl.String)
        or (
            isinstance(found.dtype, pl.Datetime)
            and isinstance(dtype, pl.Datetime)
            and bool(found.dtype.time_zone) == bool(dtype.time_zone)
        )
    )
    if not same_kind:
        raise ValueError(f"{column.name} is {found.dtype}, expected {column.data_type}")
    stored = found.cast(dtype, strict=False)
    changed = stored.cast(found.dtype, strict=False).ne_missing(found)
    if changed.any():
        row = int(changed.arg_true()[0])
        value = "a value" if column.personal else str(found[row])
        place = f"row {row}"
        if SOURCE_FILE in frame.columns and SOURCE_ROW in frame.columns:
            place = f"{frame[SOURCE_FILE][row]} row {frame[SOURCE_ROW][row]}"
        raise ValueError(
            f"{column.name} is {found.dtype}, expected {column.data_type}, which does not hold {value} ({place})"
        )
    return stored
