"""The one shape that every asset step has: partitions in, outcomes out, events told to Dagster.

Belongs here: what all four components share when they become assets (retries, backfill policy, error wording).
Does not belong here: what any of them computes.
"""

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

import dagster as dg

from batch_platform.automation.reporting import TRANSIENT, failure, keys_of, report
from batch_platform.errors import UnexpectedError, foreseen
from batch_platform.lake.lease import lease
from batch_platform.lake.store import Lake
from batch_platform.outcomes import PartitionOutcome, Run
from batch_platform.settings import Settings
from batch_platform.telemetry.cost import Meter
from batch_platform.telemetry.logs import bound, configure_logs

REPLAY = "batch_platform/replay"
"""The tag of a run that puts failed and quarantined rows through again."""

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
        pool=table.split("/")[0],
    )
    def step(context: dg.AssetExecutionContext) -> Iterator[Any]:
        configure_logs()
        with _failing_as_told(context, table):
            settings = Settings.from_environment()
            run = Run(context.run_id, engine, context.run_tags.get(REPLAY) == "true", context.log.info)
            with bound(run=context.run_id, table=table), _leased(settings.lake, specs, context.run_id):
                outcomes = compute(settings, keys_of(context), run, Meter(settings.dollars_per_cpu_hour))
            yield from report(context, table, outcomes)

    return step


@contextmanager
def _leased(lake: Lake, specs: Sequence[dg.AssetSpec], run_id: str) -> Iterator[None]:
    """Announce that a step works on its tables; a model has none in the lake."""
    tables = ["/".join(spec.key.path) for spec in specs if spec.key.path[0] != "models"]
    with ExitStack() as leases:
        for name in tables:
            leases.enter_context(lease(lake, name, run_id))
        yield


@contextmanager
def _failing_as_told(context: dg.AssetExecutionContext, table: str) -> Iterator[None]:
    """Turn what ends the step into one line for Dagster, which is asked to try again only what may pass.

    Asked each time, and not by a retry policy of the step: by that Dagster would also try again a step that a person
    has terminated, and an error that nobody foresaw.
    """
    try:
        yield
    except dg.Failure as told:
        _fail(context, told)
    except Exception as error:
        found = foreseen(error, table)
        if isinstance(found, UnexpectedError):
            context.log.error("".join(traceback.format_exception(error)))
        _fail(context, failure(found))


def _fail(context: dg.AssetExecutionContext, told: dg.Failure) -> NoReturn:
    if not told.allow_retries:
        raise told from None
    pause = TRANSIENT.calculate_delay(context.retry_number + 1)
    raise dg.RetryRequested(max_retries=TRANSIENT.max_retries, seconds_to_wait=pause) from told
