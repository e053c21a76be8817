"""Quarantine: rejected rows as the table `quarantine/<feature table>`, and when too many of them stop a run.

What belongs here: the shape of the quarantine table and the tolerance for rejected rows. What does not: which
rows are rejected (`contracts/`), and writing the table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

from batch_platform.contracts.contract import RULES, Contract, Verdict
from batch_platform.errors import ConfigurationError, ContractError
from batch_platform.lake.schema import RESOLVED, SOURCE_FILE, SOURCE_ROW

_OCCURRENCE = "_occurrence"


def quarantine_schema(contract: Contract) -> pa.Schema:
    """The quarantine table's schema: the contract's columns, all nullable, then the platform's."""
    return pa.schema(
        [pa.field(column.name, column.arrow_type) for column in contract.columns]
        + [
            pa.field(SOURCE_FILE, pa.string()),
            pa.field(SOURCE_ROW, pa.int64()),
            pa.field(RULES, pa.string()),
            pa.field(RESOLVED, pa.bool_()),
        ]
    )


def quarantine_rows(rejected: pl.DataFrame, contract: Contract) -> pa.Table:
    """`Verdict.rejected` as the quarantine table's rows, unresolved, in `quarantine_schema`.

    The order is total: source file, source row, broken rules, then the contract's columns; NULLs last.
    """
    schema = quarantine_schema(contract)
    order = [SOURCE_FILE, SOURCE_ROW, RULES, *(column.name for column in contract.columns)]
    rows = rejected.sort(order, nulls_last=True, maintain_order=True).with_columns(pl.lit(False).alias(RESOLVED))
    return rows.select(schema.names).to_arrow().cast(schema)


def with_resolved(earlier: pa.Table, rejected: pa.Table, key: Sequence[str]) -> pa.Table:
    """The rows that a partition's quarantine holds from now on: those rejected now, and earlier ones as resolved.

    An earlier row is resolved when no row that is rejected now stands for it, whether it was corrected or is gone. Each
    row stands for one: of the same key and source position if there is one, else of the same key, since a corrected
    source may have its rows elsewhere. A key with a null in it tells nothing, so there the position alone decides.

    Args:
        earlier: the partition's quarantine as it was.
        rejected: the rows that are rejected now, with the same columns.
        key: the columns that identify a row.
    """
    now, before = (
        pl.DataFrame(pl.from_arrow(rejected)),
        pl.DataFrame(pl.from_arrow(earlier.select(rejected.column_names))),
    )
    # In one order whatever the history, so that a rerun finds nothing new; open rows are stood for first.
    before = before.sort([RESOLVED, *before.columns], nulls_last=True)
    same = [*key, SOURCE_FILE, SOURCE_ROW]
    left, moved = _left_over(before, now, same), _left_over(now, before, same)
    known = pl.all_horizontal(pl.col(name).is_not_null() for name in key) if key else pl.lit(False)
    over = pl.concat([left.filter(~known), _left_over(left.filter(known), moved.filter(known), list(key))])
    over = over.with_columns(pl.lit(True).alias(RESOLVED)).sort(before.columns, nulls_last=True)
    return pl.concat([now, over]).to_arrow().cast(rejected.schema)


def _left_over(rows: pl.DataFrame, others: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    """The rows that are left when each of the others has taken the first one that equals it; nulls are equal."""
    if not on:
        return rows
    counted = pl.int_range(pl.len()).over(on).alias(_OCCURRENCE)
    taken = others.select(on).with_columns(counted)
    left = rows.with_columns(counted).join(
        taken, on=[*on, _OCCURRENCE], how="anti", nulls_equal=True, maintain_order="left"
    )
    return left.drop(_OCCURRENCE)


@dataclass(frozen=True)
class Tolerance:
    """How many rejected rows a partition may have: a share of its rows or a number; exactly one is given."""

    share: Decimal | None = None
    rows: int | None = None

    @classmethod
    def parse(cls, text: str | int) -> Tolerance:
        """A tolerance as written in YAML: `1%`, `0.5 %`, `100 rows`, `100`.

        Raises:
            ConfigurationError: it is none of these, or more than 100%.
        """
        spelled = "" if isinstance(text, bool) else str(text).strip()
        if match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", spelled, re.ASCII):
            share = Decimal(match[1]) / 100
            if share <= 1:
                return cls(share=share)
        elif match := re.fullmatch(r"(\d+)(?:\s+rows?)?", spelled, re.ASCII):
            return cls(rows=int(match[1]))
        raise ConfigurationError(f"stop_above: {text!r} is no tolerance", fix='write "1%" or "100 rows"')

    def exceeded(self, rows: int, rejected: int) -> bool:
        """Whether `rejected` of a partition's `rows` are more than is tolerated."""
        if not 0 <= rejected <= rows:
            raise ValueError(f"{rejected} rejected of {rows} rows")
        if self.share is not None:
            return Decimal(rejected) > self.share * rows
        return rejected > (self.rows or 0)

    def __str__(self) -> str:
        if self.share is not None:
            return f"{(self.share * 100).normalize():f}%"
        return f"{self.rows} row{'' if self.rows == 1 else 's'}"


def stop_if_exceeded(verdict: Verdict, tolerance: Tolerance, contract: Contract, *, partition: str = "") -> None:
    """Stop where a partition has more rejected rows than is tolerated.

    Raises:
        ContractError: with the counts, and the three most broken rules with a source position each; values
            are not shown, for columns may be personal.
    """
    rejected, rows = verdict.rejected.height, verdict.valid.height + verdict.rejected.height
    if not tolerance.exceeded(rows, rejected):
        return
    most_broken = sorted(verdict.broken.items(), key=lambda item: (-item[1], item[0]))[:3]
    raise ContractError(
        f"{rejected} of {rows} rows ({rejected / rows:.2%}) break the contract, more than {tolerance}: "
        + "; ".join(f"{name} ({count}, e.g. {_example(verdict, name)})" for name, count in most_broken),
        where=" ".join(filter(None, (f"features/{contract.model}", partition))),
        fix=f"correct the source or {contract.path}, or raise stop_above",
    )


def _example(verdict: Verdict, rule: str) -> str:
    """The first source position that breaks a rule."""
    breaks_rule = pl.col(RULES).str.split(";").list.contains(rule)
    first = verdict.rejected.lazy().filter(breaks_rule).select(SOURCE_FILE, SOURCE_ROW)
    file, row = first.sort(SOURCE_FILE, SOURCE_ROW, nulls_last=True).head(1).collect().row(0)
    if file is None:
        return "no source position"
    return f"{file} row {row}"
