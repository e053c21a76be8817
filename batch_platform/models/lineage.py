"""What a version was made from, as text that is registered with it: data, options, code, run and cost.

Belongs here: naming everything that determined a version. Does not belong here: storing it (`registry.py`).
"""

from __future__ import annotations

import json
from importlib.metadata import version

from batch_platform.lake.digest import combine
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.models.definition import ModelDefinition
from batch_platform.models.training_windows import Windows
from batch_platform.outcomes import Run
from batch_platform.telemetry.cost import Meter
from batch_platform.versions import installed_version, running_commit


def parameters_of(
    definition: ModelDefinition, lake: Lake, windows: Windows, rows: int, run: Run, meter: Meter
) -> dict[str, str]:
    """Everything that determined a version, by name.

    Args:
        definition: the model.
        lake: where its inputs are.
        windows: the partitions it was trained and evaluated on.
        rows: how many rows it was trained on.
        run: on whose behalf.
        meter: what it has cost so far, in seconds and dollars.
    """
    return {
        "training_window": f"{windows.training[0]} to {windows.training[-1]}",
        "holdout_window": f"{windows.holdout[0]} to {windows.holdout[-1]}",
        "training_rows": str(rows),
        "label": definition.label.sql,
        "label_exclude": definition.label.exclude,
        "seed": str(definition.seed),
        "trainer": definition.trainer,
        "options": json.dumps(definition.options, sort_keys=True, default=str),
        **_inputs(definition, lake, windows),
        "run_id": run.run_id,
        "engine": run.engine,
        "package_version": installed_version(),
        "git_commit": running_commit(),
        "torch_version": version("torch"),
        "seconds": str(meter.seconds),
        "cost_dollars": str(meter.dollars),
    }


def _inputs(definition: ModelDefinition, lake: Lake, windows: Windows) -> dict[str, str]:
    """Version, digest and SQL digest of both inputs; the SQL is that of the newest partition."""
    described = {}
    keys = sorted({*windows.training, *windows.holdout})
    for timeline in (definition.features, definition.label.timeline):
        records = Table(lake, timeline.table).records(keys)
        newest = max(records.values(), key=lambda found: found.version)
        name = timeline.table.replace("/", ".")
        digest = combine(records[key].record.digest for key in keys)
        described[f"input {name}"] = f"version {newest.version}, digest {digest}"
        if newest.sql_digest:
            described[f"sql_digest {name}"] = newest.sql_digest
    return described
