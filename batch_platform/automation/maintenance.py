"""The sensor `maintenance`: while maintenance lasts, no run leaves Dagster's queue, whoever asked for it.

Every step stands in a pool named by its stage. The sensor takes all slots of these pools and gives them back at the
end; runs wait in the queue and start then. What runs already goes on. It compares what is with what should be at each
look, so a daemon that was down, or a limit that somebody changed meanwhile, puts nothing out of order.

Earlier limits are kept in the sensor's cursor, which Dagster saves when a look is over. A pool is therefore closed one
look after its limit was remembered: a daemon that dies in between cannot take a closed pool for its usual state.

Belongs here: closing and opening. Does not belong here: when maintenance is (`schedules/windows.py`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import timedelta

import dagster as dg

from batch_platform.automation import clock
from batch_platform.automation.pools import CLOSED, limits, set_limits
from batch_platform.schedules.windows import Windows

NAME = "maintenance"
INTERVAL_SECONDS = 15
LEAD = timedelta(seconds=3 * INTERVAL_SECONDS)
"""How long before maintenance pools are closed: two looks, and what the queue may take to start a run."""

Limits = Mapping[str, int | None]
"""Pool -> its limit; None: the default."""


def maintenance_sensor(windows: Windows, pools: Collection[str]) -> dg.SensorDefinition:
    """The sensor.

    Args:
        windows: which say when maintenance is.
        pools: those in which steps stand.
    """

    @dg.sensor(
        name=NAME,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="While maintenance lasts, keeps all runs in the queue. Leave it on: it also lets them go again.",
    )
    def maintenance(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        now = clock.now()
        found = windows.in_maintenance(now) or windows.in_maintenance(now + LEAD)
        present, earlier = limits(context.instance), _read(context.cursor)
        wanted, remembered = follow(pools, present, earlier, closed=found is not None)
        set_limits(context.instance, wanted)
        context.update_cursor(_written(remembered))
        if found is not None:
            closed = sorted(pool for pool in pools if pool in earlier)
            return dg.SkipReason(
                f"maintenance {found.name!r} until {found.until:%Y-%m-%d %H:%M %Z}; closed pools: "
                f"{', '.join(closed) or 'none yet'}"
            )
        if wanted:
            return dg.SkipReason(f"maintenance is over; pools given back: {', '.join(sorted(wanted))}")
        stuck = sorted(pool for pool in pools if present.get(pool, None) == CLOSED)
        told = f"; somebody closed {', '.join(stuck)}: see Deployment, Concurrency" if stuck else ""
        return dg.SkipReason(f"no maintenance{told}")

    return maintenance


def follow(pools: Collection[str], present: Limits, earlier: Limits, *, closed: bool) -> tuple[Limits, Limits]:
    """What limits to set now, and what to remember.

    Args:
        pools: those to close.
        present: limits that are set; a pool that is not in here has the default.
        earlier: limits from before they were closed, as remembered at an earlier look.
        closed: whether they should be closed.

    Returns:
        Limits to set, and the earlier limits to remember for the next look.
    """
    if not closed:
        return dict(earlier), {}
    due = {pool: CLOSED for pool in pools if pool in earlier and present.get(pool) != CLOSED}
    return due, {**{pool: present.get(pool) for pool in pools}, **earlier}


def _read(cursor: str | None) -> dict[str, int | None]:
    """The remembered limits; of a text that is none of ours, nothing."""
    try:
        found = json.loads(cursor or "{}")
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {pool: limit for pool, limit in found.items() if limit is None or type(limit) is int}


def _written(remembered: Limits) -> str:
    return json.dumps(dict(sorted(remembered.items())))
