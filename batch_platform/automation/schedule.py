"""All tables of the project as the schedule sees them, whichever component makes them.

Belongs here: gathering them. Does not belong here: what a component says of its tables (`component.py` of each stage).
"""

from __future__ import annotations

import dagster as dg

from batch_platform.automation.asked_once import asked_once, everyone
from batch_platform.automation.declared import Declaration
from batch_platform.schedules.scheduled import Scheduled


def schedule_of(tree: dg.ComponentTree) -> tuple[Scheduled, ...]:
    """Every table that the platform makes, by name.

    Raises:
        ConfigurationError: a declaration cannot mean what it says.
    """
    return _gathered(tree.load_context)


@asked_once
def _gathered(context: dg.ComponentLoadContext) -> tuple[Scheduled, ...]:
    found: list[Scheduled] = []
    for component in everyone(context.component_tree, Declaration):  # type: ignore[type-abstract]
        with component.declaring():
            found += component.scheduled(context)
    return tuple(sorted(found, key=lambda table: table.table))
