"""A code location with one table whose shards take minutes, for a test that stops a run in their middle."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from batch_platform.automation.reporting import asset_key, check_specs
from batch_platform.automation.step import table_step
from batch_platform.engines import engine_named
from batch_platform.outcomes import PartitionOutcome, Run
from batch_platform.settings import Settings
from batch_platform.telemetry.cost import Meter
from batch_platform_tests.engines.work import Steps

FOLDER, KIND = "STOPPABLE_FOLDER", "STOPPABLE_KIND"
TABLE = "predictions/endless"
QUICK = 2


def _compute(_: Settings, keys: Sequence[str], run: Run, meter: Meter) -> list[PartitionOutcome]:
    folder = Path(os.environ[FOLDER])
    (folder / f"attempt-{time.monotonic_ns()}").touch()
    shards = range(QUICK + 4)
    work = Steps(folder, tuple((shard, 1_000_000) for shard in shards[QUICK:]))
    done = list(engine_named(run.engine, workers=2, kind=os.environ[KIND]).map(work, shards))
    return [PartitionOutcome(key, digest="d", rows=len(done)) for key in keys]


defs = dg.Definitions(
    assets=[
        table_step(TABLE, specs=[dg.AssetSpec(asset_key(TABLE))], checks=check_specs(TABLE, {}, None), compute=_compute)
    ],
    executor=dg.in_process_executor,
)
