"""Building a feature table: permitted inputs in, the contract applied, both tables committed.

Belongs here: the way of partitions from the query into the lake. Does not belong here: what a partition may read
(`inputs.py`), running the query (`query.py`), or what becomes of the rows of each partition (`builder.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

from batch_platform.errors import BatchPlatformError, ContractError, ends_the_run
from batch_platform.features.builder import Builder
from batch_platform.features.definition import FeatureTable
from batch_platform.features.input_tests import refuse_broken
from batch_platform.features.inputs import Inputs
from batch_platform.features.plan import adds_to, as_computed, inputs_of, selection_of
from batch_platform.features.query import query
from batch_platform.features.sandbox import Sandbox
from batch_platform.lake.store import Lake
from batch_platform.outcomes import CheckOutcome, PartitionOutcome, Run
from batch_platform.partitions import place
from batch_platform.resources import Resources
from batch_platform.telemetry.cost import Meter

_WORKERS = 4
"""Threads that digest and write rows while others are judged."""


def build(
    features: FeatureTable,
    lake: Lake,
    keys: Sequence[str],
    run: Run,
    meter: Meter,
    resources: Resources = Resources(),  # noqa: B008 - frozen
) -> list[PartitionOutcome]:
    """Build partitions and commit the good ones together, quarantined rows first.

    A table that reads its own earlier partitions is built one partition after the other, each committed before the
    next one reads it.

    Args:
        features: the feature table.
        lake: where it lies.
        keys: the partitions; `WHOLE_TABLE` alone for a table without.
        run: on whose behalf.
        meter: counts time and cost.
        resources: what the queries may take.

    Raises:
        LakeError: the lake cannot be read or written; no partition has changed then that is not committed as yet.
        BatchPlatformError: a transient one, so that the whole run is tried again; likewise.
    """
    features = as_computed(features)
    own = any(reading.timeline.table == features.model.table for reading in features.readings)
    if own and features.calendar is not None:
        found = {key: _build(features, lake, [key], run, meter, resources)[0] for key in sorted(set(keys))}
        return [found[key] for key in keys]
    return _build(features, lake, keys, run, meter, resources)


def _build(
    features: FeatureTable, lake: Lake, keys: Sequence[str], run: Run, meter: Meter, resources: Resources
) -> list[PartitionOutcome]:
    outcomes: dict[str, PartitionOutcome] = {}
    known: list[str] = []
    for key in keys:
        try:
            if features.calendar is not None:
                features.calendar.window(key)
            known.append(key)
        except BatchPlatformError as error:
            outcomes[key] = PartitionOutcome(key, error=error)
    inputs = inputs_of(features, lake, known)
    ready: list[str] = []
    for key in known:
        try:
            inputs.refuse_missing(key, features.model.table)
            _refuse_broken_inputs(features, inputs, key)
            ready.append(key)
        except ContractError as error:
            checks = (CheckOutcome("inputs_are_fresh", False, str(error)),)
            outcomes[key] = PartitionOutcome(key, error=error, checks=checks)
        except BatchPlatformError as error:
            if ends_the_run(error):
                raise
            outcomes[key] = PartitionOutcome(key, error=error)
    try:
        kept = adds_to(features, inputs)
    except ContractError as error:
        checks = (CheckOutcome("contract", False, str(error)),)
        outcomes |= {key: PartitionOutcome(key, error=error, checks=checks) for key in ready}
        ready = []
    if not ready:
        return [outcomes[key] for key in keys]
    with ExitStack() as stack:
        spill = stack.enter_context(resources.spilling())
        pool = stack.enter_context(ThreadPoolExecutor(_WORKERS))
        selection = selection_of(features)
        sandbox = Sandbox(features.model, inputs.readings, inputs.opened, features.views, selection, resources, spill)
        stack.enter_context(closing(sandbox))
        builder = Builder(features, lake, inputs, spill, pool, resources)
        stack.callback(builder.discard)
        found = query(sandbox, inputs, ready, features.calendar, kept)
        outcomes |= builder.accept_all(stack.enter_context(closing(found)))
        noted = dict(builder.commit(run, meter))
        if sandbox.unproven:
            noted["order_unproven"] = list(sandbox.unproven)
    return [outcomes[key].noting(noted) for key in keys]


def _refuse_broken_inputs(features: FeatureTable, inputs: Inputs, key: str) -> None:
    """Hold the sources that this table is the first to read against their own tests."""
    for reading in inputs.readings:
        tests = features.input_tests.get(reading.timeline.table)
        if tests is not None:
            partitions = reading.keys(key)
            table, rows = reading.timeline.table, inputs.opened[reading.timeline.table].dataset(partitions)
            refuse_broken(rows.to_table(columns=[c.name for c in tests.columns]), tests, place(table, partitions[-1]))
