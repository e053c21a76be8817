"""How a feature table is computed: what it reads, what is selected beside its columns, and which rows it adds to.

Belongs here: what a build and a look at its rows must agree on. Does not belong here: doing either (`build.py`,
`preview.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from batch_platform.errors import ContractError
from batch_platform.features.definition import FeatureTable
from batch_platform.features.inputs import Inputs
from batch_platform.features.selection import Selection
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.lake.store import Lake
from batch_platform.sql.config import Materialization, Strategy
from batch_platform.timelines import Reading, Timeline


def as_computed(features: FeatureTable) -> FeatureTable:
    """The table as its rows are computed: one that is appended to has no key, as in dbt, so that rows may repeat."""
    config = features.model.config
    if not _is_incremental(features) or config.incremental_strategy is not Strategy.APPEND:
        return features
    return replace(features, model=replace(features.model, config=replace(config, key=())))


def selection_of(features: FeatureTable) -> Selection:
    """What is selected beside the columns that the model's author wrote."""
    return Selection(features.model.key, features.contract.set_rules, features.calendar is None)


def inputs_of(features: FeatureTable, lake: Lake, keys: Iterable[str]) -> Inputs:
    """The inputs of some partitions, opened; the table itself among them where it reads or keeps its rows.

    Raises:
        LakeError: an input cannot be opened.
    """
    return Inputs(_readings(features), lake, keys, own=(features.model.table, features.stored_schema))


def adds_to(features: FeatureTable, inputs: Inputs) -> str | None:
    """The table itself, if its rows are added to those that are there.

    Raises:
        ContractError: those that are there have other columns.
    """
    if not _is_incremental(features) or not inputs.exists or features.model.config.full_refresh is True:
        return None
    table = features.model.table
    stored = [name for name in inputs.opened[table].schema.names if name not in (SOURCE_FILE, SOURCE_ROW)]
    yielded = features.contract.arrow_schema().names
    new, gone = ([n for n in one if n not in other] for one, other in ((yielded, stored), (stored, yielded)))
    if new or gone:
        told = [f"{what} {', '.join(names)}" for what, names in (("new:", new), ("gone:", gone)) if names]
        # The lake adds a column to a table, and gives up none.
        fix = "build it anew once with full_refresh=true in config()"
        if gone:
            away = f"move {table} and {features.quarantine} away"
            fix = f"select {', '.join(gone)} again, or {away}: full_refresh=true adds columns only"
        raise ContractError(
            f"the columns have changed since its rows were kept, {'; '.join(told)}", where=table, fix=fix
        )
    return table


def reads_nothing(features: FeatureTable, inputs: Inputs, keys: Iterable[str]) -> bool:
    """Whether one of some partitions has nothing to read: no input, or none that exists as yet but its own rows."""
    own = features.model.table
    there = [reading for reading in inputs.readings if reading.timeline.table != own or inputs.exists]
    return any(not any(reading.keys(key) for reading in there) for key in keys)


def _is_incremental(features: FeatureTable) -> bool:
    return features.calendar is None and features.model.config.materialized is Materialization.INCREMENTAL


def _readings(features: FeatureTable) -> tuple[Reading, ...]:
    """What the table reads; one that adds to its rows reads them, whether its SQL does or not."""
    table = features.model.table
    if not _is_incremental(features) or any(reading.timeline.table == table for reading in features.readings):
        return features.readings
    return (*features.readings, Reading(Timeline(table, None, None)))
