"""Dagster's pools: what limits how many runs work on a stage at once, and what closes a stage.

Dagster offers their limits in its UI and its command line, but keeps the Python calls behind them to itself; they are
made here and nowhere else. With `concurrency.pools.granularity: run` a run leaves the queue only if every pool that any
of its steps needs has a free slot, so a pool of no slots keeps all runs with such a step in the queue.

Belongs here: reading and setting limits. Does not belong here: why (`maintenance.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

CLOSED = 0
"""The limit of a pool from whose queue no run comes."""


def pools_of(definitions: dg.Definitions) -> frozenset[str]:
    """The pools in which the steps of these definitions stand."""
    steps = (asset for asset in definitions.assets or () if isinstance(asset, dg.AssetsDefinition))
    return frozenset(step.op.pool for step in steps if step.is_executable and step.op.pool is not None)


def limits(instance: dg.DagsterInstance) -> dict[str, int | None]:
    """Pool -> its limit, of those that have been given one; None: the default of `dagster.yaml`, which may be none."""
    return {
        pool.name: None if pool.from_default else pool.limit for pool in instance.event_log_storage.get_pool_limits()
    }


def set_limits(instance: dg.DagsterInstance, wanted: Mapping[str, int | None]) -> None:
    """Give pools new limits; None: the default of `dagster.yaml`."""
    for pool, limit in sorted(wanted.items()):
        if limit is None:
            instance.event_log_storage.delete_concurrency_limit(pool)
        else:
            instance.event_log_storage.set_concurrency_slots(pool, limit)
