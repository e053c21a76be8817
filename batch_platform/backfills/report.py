"""A plan as plain values, for programs: what `batch-platform backfill plan --json` prints.

Belongs here: the names and shapes. Does not belong here: the table for a person (`cli/backfill_screen.py`).
"""

from __future__ import annotations

from dataclasses import asdict

from batch_platform.backfills.plan import BackfillPlan, TablePlan
from batch_platform.backfills.states import State


def as_json(plan: BackfillPlan) -> dict[str, object]:
    """The plan as JSON knows values; partitions to make are listed, of the others only how many there are."""
    return {
        "assets": list(plan.names),
        "range": plan.stretch.text,
        "all": plan.everything,
        "tables": [_table(table) for table in plan.tables],
        "versions": [asdict(use) for use in plan.versions],
        "runs": [asdict(run) for run in plan.runs],
        "runs_at_once": plan.parallel,
        "partitions": plan.partitions,
        "work_seconds": round(plan.seconds, 3),
        "expected_seconds": round(plan.elapsed, 3),
        "expected_dollars": plan.dollars,
        "risks": [asdict(risk) for risk in plan.risks],
    }


def _table(table: TablePlan) -> dict[str, object]:
    counts = table.counts
    return {
        "table": table.table,
        "partitions": len(table.states),
        "states": {state.value: counts[state] for state in State if counts[state]},
        "make": list(table.making),
        "rows": table.rows if table.rows is None else round(table.rows),
        "seconds": table.seconds if table.seconds is None else round(table.seconds, 3),
        "dollars": table.dollars,
    }
