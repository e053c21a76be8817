"""Holding one partition of a feature table against its contract.

What belongs here: the columns' names and types, the number of rows, and which rows break which rules. What does not:
the quick answer that no row does (`screen.py`), and what becomes of rejected rows (`quarantine.py`).
"""

from __future__ import annotations

import polars as pl

from batch_platform.contracts.contract import RULES, Column, Contract, Verdict
from batch_platform.contracts.rules import RowCount, RowRule
from batch_platform.contracts.screen import suspects
from batch_platform.errors import ConfigurationError, ContractError
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW


def validate(frame: pl.DataFrame, contract: Contract) -> Verdict:
    """Hold one partition of a feature table against its contract.

    Args:
        frame: the SQL's output: the contract's columns in any order, `_source_file` and `_source_row`.
            Numbers may come in another numeric type that holds the same values, times in another zone or
            finer unit.

    Raises:
        ContractError: columns missing, undeclared or of the wrong type (all of them in one message), values
            that the declared type would change, or a number of rows that breaks `row_count`.
        ConfigurationError: pandera is switched to its Narwhals backend.
    """
    from pandera.config import CONFIG

    if CONFIG.use_narwhals_backend:
        problem = "pandera's Narwhals backend does not tell which rows break a rule"
        raise ConfigurationError(problem, fix="unset PANDERA_USE_NARWHALS_BACKEND")
    rows = _conform(frame, contract)
    for rule in contract.rules:
        if isinstance(rule, RowCount) and not rule.holds(rows.height):
            raise ContractError(
                f"the partition has {rows.height} rows, which breaks {rule.name}",
                where=f"features/{contract.model}",
                fix=f"look for lost or doubled input, or correct the rule in {contract.path}",
            )
    if suspected := suspects(rows, contract):
        return judge(rows, contract, suspected)
    return Verdict(rows, rows.clear().with_columns(pl.Series(RULES, [], dtype=pl.String)), {})


def judge(rows: pl.DataFrame, contract: Contract, rules: tuple[RowRule, ...]) -> Verdict:
    """The verdict of some of the contract's rules on rows in the contract's order and types.

    pandera runs each rule as a query of its own, which takes milliseconds however few the rows are.

    Raises:
        ContractError: a rule cannot be applied.
    """
    from pandera.config import ValidationDepth, config_context
    from pandera.errors import SchemaErrors

    broken: dict[str, pl.Series] = {}
    try:
        # The environment can turn pandera off; a contract is not optional.
        with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
            contract.pandera_schema(rules).validate(rows.select(c.name for c in contract.columns), lazy=True)
    except SchemaErrors as errors:
        for error in errors.schema_errors:
            output = getattr(error, "check_output", None)
            if not isinstance(output, pl.DataFrame) or output.height != rows.height:
                where = f"features/{contract.model}"
                raise ContractError(f"a rule could not be applied: {error}", where=where) from error
            broken[error.check.name] = ~output.to_series()
    counts = {name: int(broken[name].sum()) for name in sorted(broken)}
    rejected = pl.Series(RULES, [False]).new_from_index(0, rows.height)
    for mask in broken.values():
        rejected |= mask
    names = pl.concat_str(
        [pl.when(broken[name].filter(rejected)).then(pl.lit(name)) for name in counts] or [pl.lit("")],
        separator=";",
        ignore_nulls=True,
    )
    return Verdict(rows.filter(~rejected), rows.filter(rejected).with_columns(names.alias(RULES)), counts)


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
            where=f"features/{contract.model}",
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
        or (isinstance(found.dtype, pl.Datetime) and found.dtype.time_zone and isinstance(dtype, pl.Datetime))
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
