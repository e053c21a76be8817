"""Which assets a model's asset depends on, and which of their partitions.

Belongs here: the edges of the asset graph. Does not belong here: what a partition may read (`timelines/`), or making
assets of it (`component.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from batch_platform.features.definition import FeatureTable, is_ephemeral
from batch_platform.partitions import stretch_mapping

if TYPE_CHECKING:
    import dagster as dg


def edges(features: FeatureTable, models: Mapping[str, FeatureTable]) -> dict[str, dg.PartitionMapping | None]:
    """Each table that a model reads, and each view through which it reads them, with Dagster's partition mapping.

    A view is read for the window of its reader: between two with partitions the mapping is the identity.

    Args:
        features: the model.
        models: all models of the project by name.
    """
    found = {
        reading.timeline.table: reading.mapping()
        for reading in features.readings
        # A table without partitions that adds to itself depends on nothing but its inputs.
        if features.calendar or reading.timeline.table != features.model.table
    }
    for view in features.views:
        if not is_ephemeral(view):
            both = features.calendar is not None and models[view.name].calendar is not None
            found[view.table] = stretch_mapping(0, 0) if both else None
    return found
