"""Finding the models and prediction tables that a command names, among those of the project.

Belongs here: names given on the command line. Does not belong here: what a command does with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batch_platform.errors import ConfigurationError, PartitionKeyError

if TYPE_CHECKING:
    from batch_platform.features.definition import FeatureTable
    from batch_platform.predictions.definition import Predictions


def all_models() -> dict[str, FeatureTable]:
    """Every SQL model of the project by its name."""
    import warnings

    warnings.simplefilter("ignore")
    from batch_platform.automation.location import load_components
    from batch_platform.features.component import sql_models

    return sql_models(load_components().load_context)


def find_model(name: str) -> FeatureTable:
    """The model of a name or of a table `features/<name>`.

    Raises:
        ConfigurationError: there is none.
    """
    models = all_models()
    found = models.get(name.removeprefix("features/"))
    if found is None:
        raise ConfigurationError(
            f"there is no model {name[:80]!r}", fix=f"there are {', '.join(sorted(models)) or 'none'}"
        )
    return found


def prediction_table(name: str) -> Predictions:
    """The prediction table of a name or of `predictions/<name>`.

    Raises:
        ConfigurationError: there is none.
    """
    import warnings

    warnings.simplefilter("ignore")
    from batch_platform.automation.location import load_components
    from batch_platform.predictions.component import PredictionTable

    tree = load_components()
    tables = {component.name: component for component in tree.get_all_components(of_type=PredictionTable)}
    found = tables.get(name.removeprefix("predictions/"))
    if found is None:
        raise ConfigurationError(
            f"there is no prediction table {name[:80]!r}", fix=f"there are {', '.join(sorted(tables)) or 'none'}"
        )
    return found.definition(tree.load_context)[0]


def partition_of(features: FeatureTable, key: str | None) -> str:
    """A partition that a command names; empty for a table without partitions.

    Raises:
        PartitionKeyError: the table has no such partition, or it has some and none is named, or the other way round.
    """
    table = features.model.table
    if features.calendar is None:
        if key:
            raise PartitionKeyError("has no partitions", where=table, fix="leave --partition out")
        return ""
    if not key:
        raise PartitionKeyError(
            "which partition?", where=table, fix=f"add --partition, such as {features.calendar.first}"
        )
    features.calendar.window(key)
    return key
