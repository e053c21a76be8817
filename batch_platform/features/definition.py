"""What a feature table is: its SQL, its contract, its calendar, and what each of its partitions may read.

Belongs here: the declaration. Does not belong here: anything that happens with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from batch_platform.contracts.contract import Contract
from batch_platform.errors import ConfigurationError
from batch_platform.features.quarantine import Tolerance
from batch_platform.lake.digest import combine
from batch_platform.partitions import Calendar, Offset
from batch_platform.sql.binding import POSITION
from batch_platform.sql.config import Materialization
from batch_platform.sql.model import ANY_WINDOW, SqlModel
from batch_platform.timelines import Reading


@dataclass(frozen=True)
class FeatureTable:
    """One feature table: its SQL, its contract, and what each partition may read.

    Args:
        model: the SQL model.
        contract: what its rows must be.
        calendar: its partitions; None for a table without.
        known_at: the decision time; nothing known later is read.
        readings: for each input, the stretch of its partitions that a partition may see.
        tolerance: how many rows may be quarantined before a partition is refused.
        views: the models that are read without being stored, each after those that it reads itself; what they read is
            among the readings.
        project: the folder of the SQL project.
        input_tests: what property files demand of sources that this table is the first to read.
        columns_read: the columns of each table and view that its SQL names, as far as they are known before reading.
    """

    model: SqlModel
    contract: Contract
    calendar: Calendar | None
    known_at: Offset
    readings: tuple[Reading, ...]
    tolerance: Tolerance
    views: tuple[SqlModel, ...] = ()
    columns_read: Mapping[str, pa.Schema] = field(default_factory=dict, compare=False, repr=False)
    project: Path = field(default=Path(), compare=False)
    input_tests: Mapping[str, Contract] = field(default_factory=dict, compare=False, repr=False)

    @property
    def sql_digest(self) -> str:
        """A digest of what decides about the rows: the SQL, that of the views in it, the contract, what may be read."""
        digests = [self.model.digest, *(view.digest for view in self.views), self.contract.digest]
        return combine(digests if self.calendar is None else [*digests, self._seen()])

    def _seen(self) -> str:
        """What each partition may read, in words: other partitions give other rows from the same SQL."""
        found: list[object] = [self.known_at.text]
        for reading in sorted(self.readings, key=lambda reading: reading.timeline.table):
            rule, lookback = reading.varying, self.model.lookback.get(reading.timeline.table)
            across = rule and [rule.input.cadence, rule.available.text, rule.reader.cadence, rule.known_at.text]
            back = rule and rule.lookback and [rule.lookback.count, rule.lookback.unit]
            found.append([reading.timeline.table, lookback, reading.first, reading.last, across, back])
        return json.dumps(found)

    @property
    def stored_schema(self) -> pa.Schema:
        """The columns of its files: the contract's, and each row's position in its source if it has partitions."""
        schema = self.contract.arrow_schema()
        if self.calendar is None:
            return schema
        return pa.schema([*schema, *(pa.field(name, kind) for name, kind in POSITION.items())])

    @property
    def partitions(self) -> Calendar:
        """The calendar of a table that has partitions, as every table has that a model learns from.

        Raises:
            ConfigurationError: it has none.
        """
        if self.calendar is None:
            raise ConfigurationError("has no partitions", where=self.model.table, fix="read a partitioned input in it")
        return self.calendar

    @property
    def quarantine(self) -> str:
        """The name of the table that holds the rejected rows."""
        return f"quarantine/{self.model.name}"


def is_stored(model: SqlModel) -> bool:
    """Whether a model's rows are kept, so that others read them; a view's and an ephemeral model's SQL is read."""
    return model.config.materialized not in (Materialization.VIEW, Materialization.EPHEMERAL)


def is_ephemeral(model: SqlModel) -> bool:
    """Whether a model is part of its readers alone, and no asset."""
    return model.config.materialized is Materialization.EPHEMERAL


def example_query(features: FeatureTable) -> str:
    """A model's query for a window that stands for any, to be looked at and never run."""
    return features.model.compile(ANY_WINDOW if features.calendar else None)
