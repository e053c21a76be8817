"""What the models of a project become: feature tables, each with what it may read, in the order of their reading.

Belongs here: deriving calendars, readings and contracts from the SQL, without reading any data. Does not belong here:
what a template says (`sql/`), what a contract means (`contracts/`), or Dagster (`component.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from batch_platform.contracts.contract import Contract
from batch_platform.contracts.table_query import TableQuery
from batch_platform.errors import ConfigurationError
from batch_platform.features.binding import agreed_contract, stored_columns
from batch_platform.features.definition import FeatureTable, is_stored
from batch_platform.features.quarantine import Tolerance
from batch_platform.features.wider_rules import singular_queries, with_queries, without_later
from batch_platform.partitions import Calendar, Offset
from batch_platform.sql.binding import POSITION, Binder, seen_by
from batch_platform.sql.model import ANY_WINDOW, SqlModel
from batch_platform.sql.project import Project
from batch_platform.sql.sql_tests import SingularTest
from batch_platform.timelines import Reading, Timeline, reading
from batch_platform.timelines.common_calendar import calendar_of

THIS = "this"
"""What a model calls itself in `lookback`."""


@dataclass(frozen=True)
class Terms:
    """What one `FeatureTables` component says of all its models."""

    project: Project
    known_at: Offset
    tolerance: Tolerance


@dataclass
class Catalog:
    """The tables that models may read, growing model by model.

    Args:
        timelines: of every table that is stored, by its name in the lake.
        columns: of those whose columns are known before they are read, positions and partition key included.
        coming: the tables of the models that are still to be added, in order.
        tables: the feature tables so far, views and ephemeral models among them.
    """

    timelines: dict[str, Timeline]
    columns: dict[str, pa.Schema]
    coming: list[str] = field(default_factory=list)
    tables: dict[str, FeatureTable] = field(default_factory=dict)
    _moved: dict[str, list[TableQuery]] = field(default_factory=dict)
    binder: Binder = field(default_factory=Binder)

    def add_table(self, timeline: Timeline, columns: pa.Schema) -> None:
        """Let models read a table that no model makes."""
        self.timelines[timeline.table], self.columns[timeline.table] = timeline, columns

    def add(self, model: SqlModel, terms: Terms, tests: Sequence[SingularTest]) -> FeatureTable:
        """The feature table of a model whose inputs are in the catalog.

        Args:
            model: the model.
            terms: what holds for it beside its own text.
            tests: the singular tests that are its own, since it comes after all else that they read.

        Raises:
            ConfigurationError: `file:line: what`; the model, its contract or its inputs cannot mean what they say.
        """
        self.coming.remove(model.table)
        lookbacks = self._leaves(model, model.inputs)
        calendar = self._calendar(model, lookbacks)
        readings = [self._reading(model, table, back, calendar, terms) for table, back in lookbacks.items()]
        contract = self._contract(model, calendar, terms, tests)
        for table, back in self._leaves(model, contract.reads).items():
            if table not in lookbacks:
                readings.append(self._reading(model, table, back, calendar, terms))
        if model.reads_itself:
            readings.append(_own_past(model, calendar, terms.known_at))
        read = {table: self.columns[table] for table in model.inputs if table in self.columns}
        features = FeatureTable(
            model,
            contract,
            calendar,
            terms.known_at,
            tuple(readings),
            terms.tolerance,
            tuple(self._views((*model.inputs, *contract.reads)).values()),
            {table: seen_by(columns, partitioned=calendar is not None) for table, columns in read.items()},
            terms.project.root,
        )
        self.tables[model.table] = features
        if is_stored(model):
            self.timelines[model.table] = Timeline(model.table, calendar, terms.known_at if calendar else None)
        return features

    def _contract(
        self, model: SqlModel, calendar: Calendar | None, terms: Terms, tests: Sequence[SingularTest]
    ) -> Contract:
        partitioned = calendar is not None
        if partitioned and is_stored(model) and not model.key:
            raise ConfigurationError(
                "the model names no key", where=f"{model.path}:1", fix="add {{ config(key=['column', ...]) }}"
            )
        bound = self._bound(model, partitioned)
        contract = agreed_contract(model, terms.project, bound, partitioned=partitioned)
        for name in model.key:
            contract.column(name)
        stored = stored_columns(contract, partitioned=partitioned)
        self.columns[model.table] = stored if is_stored(model) or bound is None else bound
        if model.reads_itself:
            self._refuse_other_columns_later(model, contract, partitioned)
        contract, moved = without_later(contract, self.coming)
        for later, queries in moved.items():
            self._moved.setdefault(later, []).extend(queries)
        return with_queries(contract, [*singular_queries(tests), *self._moved.pop(model.table, [])])

    def _bound(self, model: SqlModel, partitioned: bool) -> pa.Schema | None:
        """The columns that the query yields; None where those of an input are not known, its own among them."""
        if any(table not in self.columns for table in model.inputs):
            return None
        for table in model.inputs:
            self.binder.declare(table, seen_by(self.columns[table], partitioned=partitioned))
        if model.reads_itself and partitioned:
            return None
        return self.binder.bind(_compiled(model, partitioned), str(model.path), model.template)

    def _refuse_other_columns_later(self, model: SqlModel, contract: Contract, partitioned: bool) -> None:
        """A model that reads itself must yield the same columns where it adds to what there is."""
        if any(table not in self.columns for table in model.inputs):
            return
        self.binder.declare(model.table, self.columns[model.table])
        sql = _compiled(model, partitioned, incremental=True)
        found = self.binder.bind(sql, str(model.path), model.template).names
        expected = {column.name for column in contract.columns}
        if {name for name in found if name not in POSITION} != expected:
            raise ConfigurationError(
                f"its columns differ where is_incremental() is true: {', '.join(found)}",
                where=str(model.path),
                fix=f"yield {', '.join(sorted(expected))}",
            )

    def _views(self, tables: Iterable[str]) -> dict[str, SqlModel]:
        """The models among some tables that are read without being stored, each after those that it reads itself."""
        found: dict[str, SqlModel] = {}
        for table in tables:
            seen = self.tables.get(table)
            if seen is not None and not is_stored(seen.model):
                found |= self._views(seen.model.inputs) | {table: seen.model}
        return found

    def _leaves(self, model: SqlModel, tables: Iterable[str]) -> dict[str, int | str | None]:
        """The stored tables that reading some tables comes down to, directly or through views, with their lookbacks.

        Raises:
            ConfigurationError: one of them is read with two lookbacks.
        """
        found: dict[str, int | str | None] = {}
        for table in tables:
            seen, lookback = self.tables.get(table), model.lookback.get(table)
            own: dict[str, int | str | None] = {table: lookback}
            if seen is not None and not is_stored(seen.model):
                own = self._leaves(seen.model, seen.model.inputs)
                if lookback is not None:
                    fix = f"say it in {seen.model.path}"
                    raise ConfigurationError(f"{table} is not stored: no lookback", where=_line(model, table), fix=fix)
            for leaf, back in own.items():
                if leaf in found and found[leaf] != back:
                    raise ConfigurationError(
                        f"reads {leaf} with two lookbacks, {found[leaf] or 'none'} and {back or 'none'}",
                        where=_line(model, table),
                        fix="give both the same, or store the view between as a table",
                    )
                found[leaf] = back
        return found

    def _timeline(self, model: SqlModel, table: str) -> Timeline:
        if table not in self.timelines:
            known = {*self.timelines, *self.tables, *self.coming}
            alike = sorted(name for name in known if name.split("/")[0] == table.split("/")[0])
            raise ConfigurationError(
                f"reads {table}, which no component declares",
                where=_line(model, table),
                fix=f"there are {', '.join(alike) or 'none'}",
            )
        return self.timelines[table]

    def _reading(
        self, model: SqlModel, table: str, lookback: int | str | None, calendar: Calendar | None, terms: Terms
    ) -> Reading:
        timeline = self._timeline(model, table)
        if calendar is None:
            return Reading(timeline)
        try:
            return reading(timeline, lookback, calendar, terms.known_at)
        except ConfigurationError as error:
            raise ConfigurationError(error.what, where=_line(model, table), fix=error.fix) from None

    def _calendar(self, model: SqlModel, lookbacks: Mapping[str, int | str | None]) -> Calendar | None:
        """The model's partitions, None where nothing that it reads has any."""
        calendars = {table: self._timeline(model, table).calendar for table in lookbacks}
        own = [calendar for table, calendar in calendars.items() if calendar and lookbacks[table] is None]
        back = [calendar for table, calendar in calendars.items() if calendar and lookbacks[table] is not None]
        if own or back:
            return _beginning(model, calendar_of(own, back, model.config.cadence, str(model.path)))
        if model.config.cadence:
            fix = "leave the cadence out"
            raise ConfigurationError("reads no partitioned table", where=f"{model.path}:1", fix=fix)
        return None


def _compiled(model: SqlModel, partitioned: bool, *, incremental: bool = False) -> str:
    return model.compile(ANY_WINDOW if partitioned else None, incremental=incremental)


def _beginning(model: SqlModel, calendar: Calendar) -> Calendar:
    """A model's calendar, which may begin later than its inputs do."""
    start, where = model.config.start, f"{model.path}:1"
    if start is None:
        return calendar
    try:
        own = replace(calendar, start=start)
    except ConfigurationError as error:
        raise ConfigurationError(error.what, where=where, fix=error.fix) from None
    if own.first < calendar.first:
        raise ConfigurationError(
            f"starts at {start}, before its inputs do", where=where, fix=f"use {calendar.first} or later"
        )
    return own


def _own_past(model: SqlModel, calendar: Calendar | None, known_at: Offset) -> Reading:
    """What a model sees of itself: its earlier partitions, or what a table without partitions holds."""
    if calendar is None:
        return Reading(Timeline(model.table, None, None))
    count = model.lookback.get(THIS)
    if isinstance(count, str):
        raise ConfigurationError(
            f"lookback of 'this' is {count!r}", where=f"{model.path}:1", fix="give a number of its partitions"
        )
    if count is None:
        raise ConfigurationError(
            "reads itself without saying how many of its earlier partitions",
            where=f"{model.path}:1",
            fix="add lookback={'this': 1} to config()",
        )
    return Reading(Timeline(model.table, calendar, known_at), count, 1)


def _line(model: SqlModel, table: str) -> str:
    try:
        return f"{model.path}:{model.line_of(table)}"
    except KeyError:  # its contract reads the table, not its SQL
        return str(model.path)
