"""Queries whose result neither the order of input rows nor the number of threads can change.

DuckDB adds floats in the order in which threads bring them, and gives `list`, `first` or `mode` the rows as they
come. Here a float sum becomes an exact one, and an aggregate that follows the order of rows gets its own.

Belongs here: rewriting a query, and telling what stays unproven. Does not belong here: what is so of single
functions (`aggregates.py`), and where calls stand in a text (`positions.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import duckdb
import pyarrow as pa
import sqlglot

from batch_platform.errors import first_line
from batch_platform.sql.aggregates import (
    FRAME_FUNCTIONS,
    FRAMES,
    GEOMETRIC_MEANS,
    MEANS,
    SORT_KEYS,
    SUMS,
    UNREPAIRABLE,
)
from batch_platform.sql.desk import desk
from batch_platform.sql.positions import Call, Positions
from batch_platform.sql.rewriting import Editing, Probing, Types

_PROBE = re.compile(r"'order_proof:(\d+):(\d+):' \|\| '([^']*)'")


@dataclass(frozen=True)
class Proofed:
    """A query, and what in it may still follow the order of rows: `line 12: LIMIT without ORDER BY`, one each."""

    sql: str
    unproven: tuple[str, ...] = ()


def order_proof(sql: str, tables: Mapping[str, pa.Schema]) -> Proofed:
    """The query with sums over floats made exact, and with ORDER BY in the aggregates that follow the order of rows.

    Everything else stays as it was written, comments and lines included. Columns keep their names and types: where
    that cannot be held, the text comes back unchanged and the reason is among what is unproven.

    Args:
        sql: one query in DuckDB's dialect; it may hold the placeholders of a range.
        tables: `stage/name` -> the columns of the relation `"stage"."name"`.
    """
    return _order_proof(sql, tuple(sorted(tables.items())))


@lru_cache(maxsize=512)
def _order_proof(sql: str, tables: tuple[tuple[str, pa.Schema], ...]) -> Proofed:
    try:
        positions = Positions(sql)
    except (sqlglot.errors.SqlglotError, ValueError) as error:
        return Proofed(sql, (f"is not SQL: {first_line(error)}",))
    told = tuple(f"line {line}: {what}" for line, what in sorted(_beyond_repair(positions)))
    sites = [call for call in positions.calls if _is_site(positions, call)]
    if not sites:
        return Proofed(sql, told)
    try:
        with desk().holding(dict(tables)) as bound:
            types = _types_in(bound.plan(Probing(positions, sites).text()))
            edited = Editing(positions, sites, types).text()
            if edited == sql:
                return Proofed(sql, told)
            wanted, refusal = bound.columns(sql), ""
            for text in (edited, Editing(positions, sites, types, exact=False).text()):
                try:
                    if bound.columns(text) == wanted:
                        return Proofed(text, told)
                    refusal = refusal or "columns without a name of their own: name them with AS"
                except duckdb.Error as error:
                    refusal = refusal or first_line(error)
    except duckdb.Error as error:
        refusal = first_line(error)
    places = tuple(f"line {positions.tokens[call.first].line}: {call.name}: {refusal}" for call in sites)
    return Proofed(sql, told + places)


def _is_site(positions: Positions, call: Call) -> bool:
    """Whether a call follows the order of rows and can be kept from it."""
    if call.method or call.within_group or not call.arguments:
        return False
    if call.name in SUMS | MEANS or call.name in GEOMETRIC_MEANS:
        return True
    if call.name not in SORT_KEYS:
        return False
    if call.name in FRAMES and call.over is not None:
        return not positions.window_says(call.over, "order by")
    return call.name not in FRAMES or call.order is not None or not positions.reads_sorted(call.first)


def _beyond_repair(positions: Positions) -> set[tuple[int, str]]:
    """What certainly follows the order of rows, and cannot be told another: line and words."""
    found = set()
    for call in positions.calls:
        line, over = positions.tokens[call.first].line, call.over
        sorted_window = over is not None and positions.window_says(over, "order by")
        follows = call.name in SORT_KEYS or call.name in SUMS | MEANS
        if call.name in UNREPAIRABLE:
            found.add((line, f"{call.name}() {UNREPAIRABLE[call.name]}"))
        elif follows and call.method:
            found.add((line, f"value.{call.name}() follows the order of rows: write {call.name}(value)"))
        elif call.name in FRAMES and over is None and call.order is None and positions.reads_sorted(call.first):
            found.add((line, f"{call.name}() follows the order of a subquery: write ORDER BY between its parentheses"))
        elif over is not None and not sorted_window and call.name in FRAME_FUNCTIONS and call.order is None:
            found.add((line, f"{call.name}() over a window without ORDER BY"))
        elif over is not None and not sorted_window and positions.window_says(over, "rows"):
            found.add((line, f"{call.name}() over ROWS without ORDER BY"))
    for place, token in enumerate(positions.tokens):
        word = positions.word(place)
        if word == "positional" and positions.word(place + 1) == "join":
            found.add((token.line, "POSITIONAL JOIN"))
        cuts = word in ("limit", "fetch", "offset") and positions.word(place + 1) not in ("0", "all")
        distinct_on = word == "on" and positions.word(place - 1) == "distinct"
        if (cuts or distinct_on) and not any(map(positions.is_order, positions.inside(positions.level[place]))):
            found.add((token.line, f"{'DISTINCT ON' if distinct_on else word.upper()} without ORDER BY"))
    return found


def _types_in(plan: str) -> Types:
    """The types that the arguments in the text of a `Probing` were found to have."""
    found: dict[tuple[int, int], frozenset[str]] = {}
    for number, argument, kind in _PROBE.findall(plan):
        place = (int(number), int(argument))
        found[place] = found.get(place, frozenset()) | {kind}
    return found
