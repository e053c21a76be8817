"""The one shape that every asset step has: partitions in, outcomes out, events told to Dagster.

Belongs here: what all four components share when they become assets (retries, backfill policy, error wording).
Does not belong here: what any of them computes.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dagster as dg

from batch_platform.automation.reporting import TRANSIENT, failure, keys_of, report
from batch_platform.errors import BatchPlatformError
from batch_platform.outcomes import PartitionOutcome, Run
from batch_platform.settings import Settings
from batch_platform.telemetry.cost import Meter

Compute = Callable[[Settings, Sequence[str], Run, Meter], list[PartitionOutcome]]


def table_step(
    table: str,
    *,
    specs: Sequence[dg.AssetSpec],
    checks: Sequence[dg.AssetCheckSpec],
    compute: Compute,
    engine: str = "local",
) -> dg.AssetsDefinition:
    """An asset step that computes partitions of `table` (and what else `specs` name) by calling `compute`.

    All partitions asked for are computed in one run: a backfill of a year is one run with per-day results.
    """

    @dg.multi_asset(
        name=table.replace("/", "__"),
        specs=list(specs),
        check_specs=list(checks),
        backfill_policy=dg.BackfillPolicy.single_run(),
        # Whoever asks for a table need not know that its quarantine exists; both are always written.
        can_subset=True,
        retry_policy=TRANSIENT,
        pool=table.split("/")[0],
    )
    def step(context: dg.AssetExecutionContext) -> Iterator[Any]:
        settings = Settings.from_environment()
        run = Run(context.run_id, engine)
        try:
            outcomes = compute(settings, keys_of(context), run, Meter(settings.dollars_per_cpu_hour))
        except BatchPlatformError as error:
            raise failure(error) from None
        yield from report(context, table, outcomes)

    return step
