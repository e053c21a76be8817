"""What the models of a project become: feature tables, each with what it may read, in the order of their reading.

Belongs here: deriving calendars, readings and contracts from the SQL, without reading any data. Does not belong here:
what a template says (`sql/`), what a contract means (`contracts/`), or Dagster (`component.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from batch_platform.contracts.contract import Contract
from batch_platform.contracts.set_rules import Relationship
from batch_platform.contracts.table_query import TableQuery
from batch_platform.errors import ConfigurationError
from batch_platform.features.binding import agreed_contract, stored_columns
from batch_platform.features.calendars import line_of, own_calendar, own_past
from batch_platform.features.definition import FeatureTable, is_ephemeral, is_stored
from batch_platform.features.input_tests import declared_tests
from batch_platform.features.leaves import leaves, views_among
from batch_platform.features.quarantine import Tolerance
from batch_platform.features.rule_binding import bind_rules
from batch_platform.features.rule_places import first_test
from batch_platform.features.wider_rules import AS_VIEW, WiderRules
from batch_platform.partitions import Calendar, Offset
from batch_platform.sql.binding import POSITION, Binder, seen_by
from batch_platform.sql.model import ANY_WINDOW, SqlModel
from batch_platform.sql.project import Project
from batch_platform.timelines import Reading, Timeline, reading


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
        rules: which model's building evaluates the rules that read several tables.
        tables: the feature tables so far, views and ephemeral models among them.
    """

    timelines: dict[str, Timeline]
    columns: dict[str, pa.Schema]
    rules: WiderRules = field(default_factory=WiderRules)
    tables: dict[str, FeatureTable] = field(default_factory=dict)
    binder: Binder = field(default_factory=Binder)
    _tested: set[str] = field(default_factory=set)

    def add_table(self, timeline: Timeline, columns: pa.Schema) -> None:
        """Let models read a table that no model makes."""
        self.timelines[timeline.table], self.columns[timeline.table] = timeline, columns

    def add(self, model: SqlModel, terms: Terms) -> FeatureTable:
        """The feature table of a model whose inputs are in the catalog, with the rules that its building evaluates.

        Raises:
            ConfigurationError: `file:line: what`; the model, its contract, its tests or its inputs cannot mean what
                they say.
        """
        lookbacks = leaves(model, model.inputs, self.tables)
        places = {table: line_of(model, table) for table in lookbacks}
        calendar = own_calendar(
            model, {table: self._timeline(table, place).calendar for table, place in places.items()}, lookbacks
        )
        readings = [self._reading(table, back, calendar, terms, places[table]) for table, back in lookbacks.items()]
        contract = self._contract(model, calendar, terms)
        for other, place in self._read_by_rules(contract):
            for table, back in leaves(model, [other], self.tables).items():
                if table not in lookbacks:
                    readings.append(self._read_beside(table, back, calendar, terms, place or str(model.path)))
                    lookbacks[table] = back
        if model.reads_itself:
            readings.append(own_past(model, calendar, terms.known_at))
        read = {table: self.columns[table] for table in model.inputs if table in self.columns}
        features = FeatureTable(
            model,
            contract,
            calendar,
            terms.known_at,
            tuple(readings),
            terms.tolerance,
            tuple(views_among((*model.inputs, *contract.reads), self.tables).values()),
            {table: seen_by(columns, partitioned=calendar is not None) for table, columns in read.items()},
            terms.project.root,
            self._input_tests(model, lookbacks, terms.project),
        )
        self.tables[model.table] = features
        if is_stored(model):
            self.timelines[model.table] = Timeline(model.table, calendar, terms.known_at if calendar else None)
        bind_rules(features, self.columns, self.binder, self.rules)
        return features

    def _input_tests(self, model: SqlModel, tables: Iterable[str], project: Project) -> dict[str, Contract]:
        """The tests of the sources that no model before this one has read; an ephemeral model is never built."""
        if is_ephemeral(model):
            return {}
        entries = {entry.table: entry for entry in project.properties.sources.values()}
        found: dict[str, Contract] = {}
        for table in tables:
            if table in entries and table not in self._tested:
                self._tested.add(table)
                tests = declared_tests(project, entries[table], table, self.columns.get(table))
                found |= {table: tests} if tests else {}
        return found

    def _contract(self, model: SqlModel, calendar: Calendar | None, terms: Terms) -> Contract:
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
        if is_ephemeral(model) and (contract.rules or any(column.rules for column in contract.columns)):
            where = first_test(model, terms.project)
            raise ConfigurationError(f"{model.name} is ephemeral, so nothing tests it", where=where, fix=AS_VIEW)
        return self.rules.settle(contract)

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

    def _read_by_rules(self, contract: Contract) -> Iterator[tuple[str, str]]:
        """The other tables that a contract's rules read, each with the place of a rule that does."""
        for rule in (*contract.set_rules, *contract.queries):
            if isinstance(rule, Relationship):
                yield rule.other, self.rules.place(rule, contract.table)
            elif isinstance(rule, TableQuery):
                for table in rule.tables:
                    if table != contract.table:
                        yield table, self.rules.place(rule, contract.table)

    def _timeline(self, table: str, where: str) -> Timeline:
        if table not in self.timelines:
            known = {*self.timelines, *self.tables, *self.rules.order}
            alike = sorted(name for name in known if name.split("/")[0] == table.split("/")[0])
            raise ConfigurationError(
                f"reads {table}, which no component declares",
                where=where,
                fix=f"there are {', '.join(alike) or 'none'}",
            )
        return self.timelines[table]

    def _reading(
        self, table: str, lookback: int | str | None, calendar: Calendar | None, terms: Terms, where: str
    ) -> Reading:
        timeline = self._timeline(table, where)
        if calendar is None:
            return Reading(timeline)
        try:
            return reading(timeline, lookback, calendar, terms.known_at)
        except ConfigurationError as error:
            raise ConfigurationError(error.what, where=where, fix=error.fix) from None

    def _read_beside(
        self, table: str, lookback: int | str | None, calendar: Calendar | None, terms: Terms, where: str
    ) -> Reading:
        """What a rule reads and the model's SQL does not."""
        if calendar is None and self._timeline(table, where).calendar is not None:
            raise ConfigurationError(
                f"the test reads {table}, which has partitions, for a table that has none",
                where=where,
                fix="test the partitioned table against the other",
            )
        return self._reading(table, lookback, calendar, terms, where)


def _compiled(model: SqlModel, partitioned: bool, *, incremental: bool = False) -> str:
    return model.compile(ANY_WINDOW if partitioned else None, incremental=incremental)
