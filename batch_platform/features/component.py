"""`FeatureTables`: a folder of SQL models with their contracts, each an asset whose inputs follow from its SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import dagster as dg
from pydantic import Field, PrivateAttr

from batch_platform.automation.declared import Declaration, Owners, Pipeline
from batch_platform.automation.reporting import asset_key, check_specs
from batch_platform.automation.step import table_step
from batch_platform.contracts.contract import Contract
from batch_platform.contracts.schema_yml import load_contracts
from batch_platform.errors import ConfigurationError
from batch_platform.features.binding import bind
from batch_platform.features.build import build
from batch_platform.features.checks import CHECKS
from batch_platform.features.definition import FeatureTable
from batch_platform.features.quarantine import Tolerance
from batch_platform.outcomes import PartitionOutcome, Run
from batch_platform.partitions import Calendar, Offset
from batch_platform.settings import Settings
from batch_platform.snapshots.component import snapshot_columns, snapshot_timelines
from batch_platform.sql.binding import Binder, input_schema
from batch_platform.sql.model import SqlModel, load_models
from batch_platform.telemetry.cost import Meter
from batch_platform.timelines import Timeline, reading


class Quarantine(dg.Model, dg.Resolvable):
    """What happens to rows that break the contract."""

    stop_above: Annotated[
        str, Field(description="Refuse a partition with more broken rows than this: '1%' of its rows, or '100 rows'.")
    ] = "1%"


class FeatureTables(Declaration):
    """Builds `features/<model>` for each SQL model of a folder; rows that break the contract go to quarantine.

    What a partition may read follows from each input's `available` and from `known_at`: nothing that becomes
    known later can be read, in training as in serving.
    """

    models: Annotated[str, Field(description="Folder under dbt_like_sql/models/.", pattern=r"^[a-z][a-z0-9_/]*$")]
    known_at: Annotated[str, Field(description="The decision time relative to a partition's start: '-1d 18:00'.")] = (
        "0d"
    )
    quarantine: Annotated[Quarantine, Field(description="The tolerance for rows that break the contract.")] = (
        Quarantine()
    )
    owners: Owners = ()

    _tables: list[FeatureTable] | None = PrivateAttr(None)

    def tables(self, context: dg.ComponentLoadContext) -> list[FeatureTable]:
        """The feature tables of this folder, each with what it may read; read once, since later stages ask, too.

        Raises:
            ConfigurationError: a model, its contract or its inputs cannot mean what they say.
        """
        if self._tables is None:
            self._tables = self._read_tables(context)
        return self._tables

    @property
    def _folder(self) -> Path:
        return Settings.from_environment().sql_models / self.models

    def _refuse_namesakes(self, context: dg.ComponentLoadContext) -> None:
        """Refuse a model of the same name in another folder, or one folder twice: both would write one table."""
        own = {path.stem for path in self._folder.glob("*.sql")}
        met = False
        for other in context.component_tree.get_all_components(of_type=FeatureTables):
            if other._folder == self._folder and not met:
                met = True
                continue
            twins = sorted(own & {path.stem for path in other._folder.glob("*.sql")})
            if twins:
                raise ConfigurationError(
                    f"{other.models}/{twins[0]}.sql and {self.models}/{twins[0]}.sql would both be features/{twins[0]}",
                    fix="rename one of them, or name the folder in one component only",
                )

    def _read_tables(self, context: dg.ComponentLoadContext) -> list[FeatureTable]:
        models, contracts = load_models(self._folder), load_contracts(self._folder)
        known, known_at = snapshot_timelines(context), Offset.parse(self.known_at)
        tolerance, columns = Tolerance.parse(self.quarantine.stop_above), snapshot_columns(context)
        tables = []
        for model in _in_order(models):
            contract = _contract_of(model, contracts)
            calendar = _calendar(model, known)
            readings = tuple(
                reading(_timeline(model, table, known), model.lookback.get(table), calendar, known_at)
                for table in model.inputs
            )
            if all(table in columns for table in model.inputs):
                seen = {r.timeline.table: r.timeline.calendar is not None for r in readings}
                with Binder() as binder:
                    for name, own in seen.items():
                        binder.declare(name, input_schema(columns[name], partitioned=own))
                    bind(model, binder, contract)
            columns[model.table] = {column.name: column.arrow_type for column in contract.columns}
            tables.append(FeatureTable(model, contract, calendar, known_at, readings, tolerance))
            known = {**known, model.table: Timeline(model.table, calendar, known_at)}
        return tables

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """One step for each model: its table, its quarantine, its checks."""
        with self.declaring():
            self._refuse_namesakes(context)
            tables = self.tables(context)
        return dg.Definitions(assets=[self._step(context, table) for table in tables])

    def _step(self, context: dg.ComponentLoadContext, features: FeatureTable) -> dg.AssetsDefinition:
        partitions = features.calendar.definition

        def compute(settings: Settings, keys: Sequence[str], run: Run, meter: Meter) -> list[PartitionOutcome]:
            return build(features, settings.lake, keys, run, meter)

        model, contract = features.model, features.contract
        pipeline = Pipeline.of(context, self.owners)
        deps = [dg.AssetDep(asset_key(r.timeline.table), partition_mapping=r.mapping()) for r in features.readings]
        kinds = {"delta", "duckdb", "sql"}
        metadata = {
            "dagster/column_schema": column_schema(contract),
            "known_at": self.known_at,
            "sql": dg.MetadataValue.md(f"```sql\n{model.template}\n```"),
        }
        code = features.sql_digest[:12]
        rejected = f"Rows of {model.table} that break its contract, with the rules they break and their source."
        specs = [
            pipeline.spec(model.table, contract.description, kinds, partitions, deps, metadata, code),
            pipeline.spec(features.quarantine, rejected, {"delta", "quarantine"}, partitions, deps, None, code),
        ]
        checks = check_specs(features.model.table, CHECKS, partitions)
        return table_step(features.model.table, specs=specs, checks=checks, compute=compute)


def feature_tables(context: dg.ComponentLoadContext) -> dict[str, FeatureTable]:
    """All feature tables of the project, by model name."""
    components = context.component_tree.get_all_components(of_type=FeatureTables)
    found: dict[str, FeatureTable] = {}
    for component in components:
        with component.declaring():
            found |= {table.model.name: table for table in component.tables(context)}
    return found


def column_schema(contract: Contract) -> dg.TableSchema:
    """A contract's columns as the UI shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.data_type,
                column.description,
                dg.TableColumnConstraints(nullable=column.nullable, other=[rule.name for rule in column.rules]),
            )
            for column in contract.columns
        ]
    )


def _contract_of(model: SqlModel, contracts: Mapping[str, Contract]) -> Contract:
    contract = contracts.get(model.name)
    if contract is None:
        raise ConfigurationError(
            f"model {model.name!r} has no contract", where=str(model.path), fix="describe it in schema.yml beside it"
        )
    for name in model.key:
        contract.column(name)
    return contract


def _timeline(model: SqlModel, table: str, known: Mapping[str, Timeline]) -> Timeline:
    if table not in known:
        raise ConfigurationError(
            f"reads {table}, which no component declares",
            where=str(model.path),
            fix=f"there are {', '.join(sorted(known)) or 'none'}",
        )
    return known[table]


def _calendar(model: SqlModel, known: Mapping[str, Timeline]) -> Calendar:
    """The partitions of a model: those for which every input that is read at the same key exists."""
    own = [_timeline(model, table, known).calendar for table in model.inputs if table not in model.lookback]
    calendars = [calendar for calendar in own if calendar is not None]
    if not calendars:
        raise ConfigurationError(
            "reads no partitioned input at its own partition", where=str(model.path), fix="read one without a lookback"
        )
    first = calendars[0]
    strange = next((c for c in calendars if (c.cadence, c.timezone) != (first.cadence, first.timezone)), None)
    if strange is not None:
        raise ConfigurationError(
            f"reads {first.cadence} partitions in {first.timezone} and {strange.cadence} ones in {strange.timezone}",
            where=str(model.path),
            fix="give both one cadence and time zone",
        )
    return Calendar(first.cadence, max(c.start for c in calendars), first.timezone, min(c.ahead for c in calendars))


def _in_order(models: Iterable[SqlModel]) -> list[SqlModel]:
    """Models after the models they read.

    Raises:
        ConfigurationError: they read one another in a circle.
    """
    waiting = {model.table: model for model in models}
    ordered: list[SqlModel] = []
    while waiting:
        free = [model for model in waiting.values() if not waiting.keys() & set(model.inputs)]
        if not free:
            names = ", ".join(sorted(model.name for model in waiting.values()))
            raise ConfigurationError(f"models read one another in a circle: {names}")
        for model in free:
            ordered.append(waiting.pop(model.table))
    return ordered
