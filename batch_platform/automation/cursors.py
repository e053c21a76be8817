"""What sensors remember, read by others than themselves.

Belongs here: reading a sensor's cursor. Does not belong here: what one means.
"""

from __future__ import annotations

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorType, SensorInstigatorData


def cursor_of(instance: dg.DagsterInstance, sensor: str) -> str | None:
    """The cursor of the sensor of this name; None if it has never looked on this instance.

    Of several the one that looked last: a code location that was renamed leaves what it remembered under the old name.
    """
    found: list[tuple[float, str | None]] = []
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        data = state.instigator_data
        if state.instigator_name == sensor and isinstance(data, SensorInstigatorData):
            found.append((data.last_tick_timestamp or 0.0, data.cursor))
    return max(found, key=lambda one: one[0])[1] if found else None
