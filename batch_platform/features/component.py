"""`FeatureTables`: a folder of SQL models with their contracts, each an asset whose inputs follow from its SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import dagster as dg
from pydantic import Field, PrivateAttr, ValidationError

from batch_platform.automation.asked_once import asked_once, everyone
from batch_platform.automation.declared import Declaration, Owners, Pipeline
from batch_platform.automation.declared_schedule import AutomationField, SloField, objective
from batch_platform.automation.reporting import asset_key, check_specs
from batch_platform.automation.scaffold import scaffolder
from batch_platform.automation.step import table_step
from batch_platform.contracts.contract import Contract
from batch_platform.errors import ConfigurationError
from batch_platform.features.catalog import Catalog
from batch_platform.features.checks import CHECKS
from batch_platform.features.definition import FeatureTable, is_ephemeral, is_stored
from batch_platform.features.edges import edges
from batch_platform.features.groups import Group, read_groups
from batch_platform.features.lineage import LineageBook, Origins, through_ephemeral, told, whole_lineage
from batch_platform.features.seeds import DeclaredSeed, seed_columns, seed_digest, seed_snapshot
from batch_platform.outcomes import PartitionOutcome, Run
from batch_platform.partitions import Offset
from batch_platform.schedules.scheduled import Input, Role, Scheduled
from batch_platform.settings import Settings
from batch_platform.snapshots.capture import capture
from batch_platform.snapshots.component import snapshot_columns, snapshot_timelines
from batch_platform.snapshots.definition import Snapshot
from batch_platform.sql.binding import input_schema
from batch_platform.telemetry.cost import Meter
from batch_platform.timelines import Reading

_FOLLOWED = 40
"""Models whose columns are followed in one load, which takes some milliseconds for each; the next load follows more."""

_FOLDER = r"^[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)*$"


class Quarantine(dg.Model, dg.Resolvable):
    """What happens to rows that break the contract."""

    stop_above: Annotated[
        str, Field(description="Refuse a partition with more broken rows than this: '1%' of its rows, or '100 rows'.")
    ] = "1%"


@dg.scaffold_with(scaffolder("batch_platform.scaffold.feature_tables"))
class FeatureTables(Declaration):
    """Builds `features/<model>` for each SQL model of a folder; rows that break the contract go to quarantine.

    What a partition may read follows from each input's `available` and from `known_at`: nothing that becomes
    known later can be read, in training as in serving.
    """

    project: Annotated[str, Field(description="Folder of the SQL project, below the root.", pattern=_FOLDER)] = (
        "dbt_like_sql"
    )
    models: Annotated[
        str,
        Field(description="Folder of models below the project's; all of them if left out.", pattern=rf"^$|{_FOLDER}"),
    ] = ""
    known_at: Annotated[str, Field(description="The decision time relative to a partition's start: '-1d 18:00'.")] = (
        "0d"
    )
    quarantine: Annotated[Quarantine, Field(description="The tolerance for rows that break the contract.")] = (
        Quarantine()
    )
    slo: Annotated[
        SloField | None,
        Field(description="The deadline of each partition of each of its tables; meta.slo of a model comes before it."),
    ] = None
    automation: Annotated[
        AutomationField, Field(description="When they are built by themselves.", default_factory=AutomationField)
    ]
    owners: Owners = ()

    _group: Group | None = PrivateAttr(None)
    _lineage: dict[str, Origins] = PrivateAttr(default_factory=dict)

    def group(self, context: dg.ComponentLoadContext) -> Group:
        """The feature tables and seeds of this component; those of all components are read together, once.

        Raises:
            ConfigurationError: a model, its contract or its inputs cannot mean what they say.
        """
        if self._group is None:
            _read_groups(context)
        assert self._group is not None
        return self._group

    def scheduled(self, context: dg.ComponentLoadContext) -> list[Scheduled]:
        """Its stored tables and its seeds as the schedule sees them.

        Raises:
            ConfigurationError: a deadline cannot be met, or the rules make no sense.
        """
        group = self.group(context)
        found = [
            Scheduled(
                seed.seed.table,
                None,
                Offset.parse("0d"),
                self.automation.rules(None, seed.seed.table),
                pipeline=self.pipeline,
                owners=tuple(self.owners),
                source=True,
            )
            for seed in group.seeds
        ]
        return [*found, *(self._scheduled(table) for table in group.tables if is_stored(table.model))]

    def _scheduled(self, table: FeatureTable) -> Scheduled:
        name = table.model.table
        own = next((read for read in table.readings if read.timeline.table == name and read.timeline.calendar), None)
        return Scheduled(
            name,
            table.calendar,
            table.known_at,
            self.automation.rules(table.calendar, name),
            beside=(table.quarantine,),
            inputs=tuple(_input(read) for read in table.readings if read.timeline.table != name),
            past=own.keys if own is not None else None,
            slo=objective(self._promise(table), table.known_at, table.calendar, "known_at"),
            pipeline=self.pipeline,
            owners=tuple(table.model.config.owners or self.owners),
            code=table.sql_digest,
        )

    def _promise(self, table: FeatureTable) -> SloField | None:
        """What `slo` holds for a table: that of its model's `config(meta={'slo': ...})`, else the component's."""
        own = table.model.config.meta
        if "slo" not in own:
            return self.slo if table.calendar else None
        try:
            return None if own["slo"] is None else SloField.model_validate(own["slo"])
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(["meta.slo", *map(str, first["loc"])])
            raise ConfigurationError(
                f"{field}: {first['msg']}", where=str(table.model.path), fix="write it like {'due': '+1d 06:00'}"
            ) from None

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """One step for each model: its table, its quarantine, its checks. An ephemeral model has none."""
        with self.declaring():
            group = self.group(context)
            self.scheduled(context)
        models = sql_models(context)
        steps = [self._seed_step(context, declared) for declared in group.seeds]
        steps += [self._step(context, table, models) for table in group.tables if not is_ephemeral(table.model)]
        return dg.Definitions(assets=steps)

    def _declared(self) -> Group:
        return Group(self.project, self.models, self.known_at, self.quarantine.stop_above, self.declaring)

    def _seed_step(self, context: dg.ComponentLoadContext, declared: DeclaredSeed) -> dg.AssetsDefinition:
        seed = declared.seed
        snapshot: Snapshot = seed_snapshot(seed, Settings.from_environment().project, declared.tests)

        def compute(settings: Settings, keys: Sequence[str], run: Run, meter: Meter) -> list[PartitionOutcome]:
            return capture(snapshot, settings.lake, keys, run, meter)

        columns = [dg.TableColumn(field.name, str(field.type)) for field in seed_columns(seed)]
        spec = Pipeline.of(context, self.owners).spec(
            seed.table,
            f"The rows of {seed.path.name}.",
            {"delta", "csv"},
            None,
            metadata={"dagster/column_schema": dg.TableSchema(columns=columns)},
            code_version=seed_digest(seed)[:12],
        )
        return table_step(seed.table, specs=[spec], checks=check_specs(seed.table, {}, None), compute=compute)

    def _step(
        self, context: dg.ComponentLoadContext, features: FeatureTable, models: Mapping[str, FeatureTable]
    ) -> dg.AssetsDefinition:
        partitions = features.calendar.definition if features.calendar else None

        def compute(settings: Settings, keys: Sequence[str], run: Run, meter: Meter) -> list[PartitionOutcome]:
            # Imported when it is needed: loading definitions must not wait for what only a run needs.
            from batch_platform.features.build import build

            return build(features, settings.lake, keys, run, meter, settings.resources)

        model, contract = features.model, features.contract
        pipeline = Pipeline.of(context, model.config.owners or self.owners)
        read = edges(features, models).items()
        deps = [dg.AssetDep(asset_key(table), partition_mapping=mapping) for table, mapping in read]
        columns = self._lineage[model.table]
        metadata = {
            "dagster/column_schema": column_schema(contract, columns),
            "dagster/column_lineage": column_lineage(columns),
            "sql": dg.MetadataValue.md(f"```sql\n{model.template}\n```"),
            **({"known_at": self.known_at} if features.calendar else {}),
            **({"meta": dg.MetadataValue.json(dict(model.config.meta))} if model.config.meta else {}),
        }
        code = features.sql_digest[:12]
        rejected = f"Rows of {model.table} that break its contract, with the rules they break and their source."
        kind = "delta" if is_stored(model) else "view"
        spec = pipeline.spec(
            model.table, contract.description, {kind, "duckdb", "sql"}, partitions, deps, metadata, code
        )
        specs = [spec.merge_attributes(tags=dict.fromkeys(model.config.tags, ""))]
        if is_stored(model):
            specs.append(
                pipeline.spec(features.quarantine, rejected, {"delta", "quarantine"}, partitions, deps, None, code)
            )
        return table_step(
            model.table, specs=specs, checks=check_specs(model.table, CHECKS, partitions), compute=compute
        )


def _input(read: Reading) -> Input:
    role = Role.UNDATED if read.timeline.calendar is None else Role.PARTITIONS
    return Input(read.timeline.table, read.keys, role)


@asked_once
def feature_tables(context: dg.ComponentLoadContext) -> dict[str, FeatureTable]:
    """All feature tables that are stored, by model name."""
    return {name: table for name, table in sql_models(context).items() if is_stored(table.model)}


@asked_once
def sql_models(context: dg.ComponentLoadContext) -> dict[str, FeatureTable]:
    """All models of the project by name, views and ephemeral models among them."""
    components = everyone(context.component_tree, FeatureTables)
    found: dict[str, FeatureTable] = {}
    for component in components:
        with component.declaring():
            found |= {table.model.name: table for table in component.group(context).tables}
    return found


def column_schema(contract: Contract, lineage: Origins | None = None) -> dg.TableSchema:
    """A contract's columns as the UI shows them, each with the columns that it is computed from."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.data_type,
                " ".join(filter(None, [column.description, told((lineage or {}).get(column.name, ()))])),
                dg.TableColumnConstraints(nullable=column.nullable, other=[rule.name for rule in column.rules]),
            )
            for column in contract.columns
        ]
    )


def column_lineage(lineage: Origins) -> dg.TableColumnLineage:
    """The same lineage in the form that Dagster keeps for other tools."""
    return dg.TableColumnLineage(
        {name: [dg.TableColumnDep(asset_key(ref.table), ref.column) for ref in refs] for name, refs in lineage.items()}
    )


def _read_groups(context: dg.ComponentLoadContext) -> None:
    """Give every component its group, read together with those of all others."""
    components = sorted(context.component_tree.get_all_components(of_type=FeatureTables), key=lambda c: c._place)
    timelines = snapshot_timelines(context)
    columns = {
        table: input_schema(own, partitioned=timelines[table].calendar is not None)
        for table, own in snapshot_columns(context).items()
    }
    groups = [c._declared() for c in components]
    root = Settings.from_environment().project
    read_groups(groups, Catalog(dict(timelines), columns), root)
    book = LineageBook.of(root, _FOLLOWED)
    for component, group in zip(components, groups, strict=True):
        component._group = group
    tables = [table for group in groups for table in group.tables]
    known = whole_lineage(tables, book)
    ephemeral = {table.model.table: known[table.model.table] for table in tables if is_ephemeral(table.model)}
    flat: dict[str, Origins] = {table: through_ephemeral(own, ephemeral) for table, own in known.items()}
    for component in components:
        component._lineage = flat
    book.save()
