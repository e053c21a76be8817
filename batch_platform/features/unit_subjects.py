"""The models of a project as SQL unit tests run them, for the command line and for test modules.

Belongs here: what a unit test must know of the project. Does not belong here: a test (`sql/unit_test.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from batch_platform.sql.unit_case import Subject
from batch_platform.sql.unit_test import subjects

if TYPE_CHECKING:
    import dagster as dg


def unit_subjects(context: dg.ComponentLoadContext) -> Mapping[str, Subject]:
    """All models of the project by name, views and ephemeral models among them.

    Raises:
        ConfigurationError: a component, a model or its contract cannot mean what it says.
    """
    # Components know Dagster, which stage functions must not load.
    from batch_platform.features.component import FeatureTables, sql_models
    from batch_platform.snapshots.component import snapshot_columns

    components = context.component_tree.get_all_components(of_type=FeatureTables)
    seeds = [declared.seed for component in components for declared in component.group(context).seeds]
    return subjects(sql_models(context).values(), snapshot_columns(context), seeds)
