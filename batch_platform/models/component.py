"""`ModelVersion`: immutable, digest-pinned model versions, each keyed by the window that it serves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

import dagster as dg
from pydantic import Field, PrivateAttr

from batch_platform.automation.asked_once import asked_once, everyone
from batch_platform.automation.declared import Declaration, FeatureTableName, Owners, Pipeline, find
from batch_platform.automation.declared_schedule import SloField, objective
from batch_platform.automation.reporting import asset_key, check_specs
from batch_platform.automation.scaffold import scaffolder
from batch_platform.automation.step import table_step
from batch_platform.errors import ConfigurationError
from batch_platform.features.component import feature_tables
from batch_platform.features.definition import FeatureTable
from batch_platform.models.definition import CHECKS, Label, ModelDefinition
from batch_platform.models.gate import Threshold
from batch_platform.models.training_windows import windows_of
from batch_platform.outcomes import PartitionOutcome, Run
from batch_platform.partitions import Cadence, Calendar, Offset, stretch_mapping
from batch_platform.schedules.facts import Made
from batch_platform.schedules.rules import DEFAULT_ATTEMPTS, Rules
from batch_platform.schedules.scheduled import Input, Scheduled
from batch_platform.settings import Settings
from batch_platform.snapshots.component import snapshot_columns, snapshot_timelines
from batch_platform.sql.binding import bind_condition, input_schema
from batch_platform.sql.volatile import refuse_volatile
from batch_platform.telemetry.cost import Meter
from batch_platform.timelines import Timeline

_UNITS = {Cadence.MONTHLY: "month", Cadence.WEEKLY: "week"}


class LabelField(dg.Model, dg.Resolvable):
    """What is predicted."""

    from_: Annotated[str, Field(alias="from", description="The snapshot that holds what came true.")]
    sql: Annotated[str, Field(description="A condition over its columns, such as 'arrival_delay_minutes > 15'.")]
    exclude: Annotated[str, Field(description="Rows to leave out, as a condition.")] = "false"


class TrainingField(dg.Model, dg.Resolvable):
    """What a version is trained on, counted back from the window that it serves."""

    lookback: Annotated[str, Field(description="How far back training reaches: '6 months'.")]
    holdout: Annotated[str, Field(description="The newest part, for evaluation only: '1 month'.")]
    seed: Annotated[int, Field(description="Of everything random.")] = 7


class ThresholdField(dg.Model, dg.Resolvable):
    """What one figure must reach before a version may serve."""

    at_least: Annotated[float | None, Field(description="Lower bound.")] = None
    at_most: Annotated[float | None, Field(description="Upper bound.")] = None
    gain_over_champion: Annotated[
        float | None, Field(description="By how much it must beat the champion on the same rows; may be negative.")
    ] = None


class TrainingAutomation(dg.Model, dg.Resolvable):
    """When versions are trained without anybody asking: once for each window, never again by themselves."""

    enabled: Annotated[bool, Field(description="false: only when somebody asks.")] = True
    horizon: Annotated[
        int | str | None, Field(description="How far back missing versions are trained: '3 months', or a number.")
    ] = None
    attempts: Annotated[int, Field(description="How often before something must change.")] = DEFAULT_ATTEMPTS
    window: Annotated[str, Field(description="A batch window of the project's operations: runs start in it only.")] = ""


@dg.scaffold_with(scaffolder("batch_platform.scaffold.model_version"))
class ModelVersion(Declaration):
    """Trains `models/<name>`: one version for each serving window, from what was known before that window began."""

    name: Annotated[str, Field(description="The model's name in the registry.", pattern=r"^[a-z][a-z0-9_]*$")]
    features: Annotated[FeatureTableName, Field(description="The feature table it reads; its columns of role feature.")]
    label: Annotated[LabelField, Field(description="What is predicted.")]
    training: Annotated[TrainingField, Field(description="Training window, holdout and seed.")]
    serving_window: Annotated[
        Literal["weekly", "monthly"], Field(description="How long a version serves before the next one.")
    ] = "monthly"
    trainer: Annotated[str, Field(description="package.module:function", pattern=r"^[\w.]+:\w+$")] = (
        "batch_platform.models.tabular:train"
    )
    options: Annotated[dict[str, Any], Field(description="Settings of the trainer.", default_factory=dict)]
    gate: Annotated[dict[str, ThresholdField], Field(description="Figure -> threshold.", default_factory=dict)]
    slo: Annotated[SloField | None, Field(description="The deadline of each window's version.")] = None
    automation: Annotated[
        TrainingAutomation, Field(description="When it is trained by itself.", default_factory=TrainingAutomation)
    ]
    owners: Owners = ()
    description: Annotated[str, Field(description="Shown in the UI.")] = ""

    _definition: ModelDefinition | None = PrivateAttr(None)

    @property
    def table(self) -> str:
        """The asset's name."""
        return f"models/{self.name}"

    def definition(self, context: dg.ComponentLoadContext) -> ModelDefinition:
        """The model as the trainer needs it.

        Raises:
            ConfigurationError: the features or the label's table do not exist, the label's SQL would give another
                result each time, or a window makes no sense.
        """
        if self._definition is None:
            self._definition = self._declared(context)
        return self._definition

    def _declared(self, context: dg.ComponentLoadContext) -> ModelDefinition:
        table = find(self.features, feature_tables(context), "feature table")
        label = find(
            f"snapshots/{self.label.from_.removeprefix('snapshots/')}", snapshot_timelines(context), "snapshot"
        )
        _refuse_other_calendar(table, label)
        columns = snapshot_columns(context).get(label.table)
        if columns is not None:
            schema = input_schema(columns, partitioned=True)
            bind_condition(self.label.sql, schema, "label.sql")
            bind_condition(self.label.exclude, schema, "label.exclude")
        refuse_volatile(self.label.sql, "label.sql")
        refuse_volatile(self.label.exclude, "label.exclude")
        cadence = Cadence(self.serving_window)
        lookback, holdout = (_windows(text, cadence) for text in (self.training.lookback, self.training.holdout))
        if not table.contract.features:
            raise ConfigurationError(f"{self.features} has no column of role feature", fix="mark some in schema.yml")
        return ModelDefinition(
            name=self.name,
            features=Timeline(table.model.table, table.calendar, table.known_at),
            columns=table.contract.features,
            key=table.model.key,
            label=Label(label, self.label.sql, self.label.exclude),
            calendar=_serving_calendar(table, cadence, lookback + holdout),
            lookback=lookback,
            holdout=holdout,
            seed=self.training.seed,
            trainer=self.trainer,
            options=self.options,
            gate=tuple(Threshold(name, **field.model_dump()) for name, field in self.gate.items()),
        )

    def scheduled(self, context: dg.ComponentLoadContext) -> list[Scheduled]:
        """The model as the schedule sees it: a version is trained when its window begins.

        Raises:
            ConfigurationError: its deadline cannot be met, or its rules make no sense.
        """
        return [self._scheduled(self.definition(context))]

    def _scheduled(self, definition: ModelDefinition) -> Scheduled:
        begin = Offset.parse("0d")
        calendar = definition.calendar

        # A plan asks for the same windows several times, for the features and for the labels.
        @lru_cache(maxsize=256)
        def learned(window: str) -> tuple[str, ...]:
            windows = windows_of(definition, window)
            return windows.training + windows.holdout

        told = self.automation.model_dump()
        return Scheduled(
            self.table,
            calendar,
            begin,
            Rules.declared(calendar.cadence, f"{self.table}, automation", rerun_on=(), **told),
            inputs=(Input(definition.features.table, learned), Input(definition.label.timeline.table, learned)),
            slo=objective(self.slo, begin, calendar, "the start of the window"),
            pipeline=self.pipeline,
            owners=tuple(self.owners),
            held=lambda settings: registered_windows(definition.name, settings),
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """One asset with its checks; the gate does not block, since its consequence is promotion."""
        with self.declaring():
            self.refuse_namesake(context, self.name)
            definition = self.definition(context)
            self._scheduled(definition)
        partitions = definition.calendar.definition

        def compute(settings: Settings, keys: Sequence[str], run: Run, meter: Meter) -> list[PartitionOutcome]:
            # Imported when it is needed: loading definitions must not wait for torch and scikit-learn.
            from batch_platform.models.report import train_versions

            return train_versions(definition, settings, keys, run)

        stretch = stretch_mapping(definition.lookback + definition.holdout, 1)
        inputs = (definition.features.table, definition.label.timeline.table)
        spec = Pipeline.of(context, self.owners).spec(
            self.table,
            self.description or f"Versions of the model {self.name}, one for each {self.serving_window} window.",
            {"mlflow", "pytorch"},
            partitions,
            [dg.AssetDep(asset_key(table), partition_mapping=stretch) for table in inputs],
            {"label": self.label.sql, "trainer": self.trainer, "features": list(definition.columns)},
        )
        checks = [
            *check_specs(self.table, {"reloads": CHECKS["reloads"]}, partitions),
            *check_specs(self.table, {"gate": CHECKS["gate"]}, partitions, blocking=False)[1:],
        ]
        return dg.Definitions(assets=[table_step(self.table, specs=[spec], checks=checks, compute=compute)])


def registered_windows(name: str, settings: Settings) -> dict[str, Made]:
    """The windows for which the registry holds a version of a model."""
    from batch_platform.models.registry import Registry

    return {version.window: Made(version.digest, model=version.number) for version in Registry(settings).versions(name)}


@asked_once
def model_definitions(context: dg.ComponentLoadContext) -> dict[str, ModelDefinition]:
    """All models of the project, by name."""
    components = everyone(context.component_tree, ModelVersion)
    found = {}
    for component in components:
        with component.declaring():
            found[component.name] = component.definition(context)
    return found


def _windows(text: str, cadence: Cadence) -> int:
    unit = _UNITS[cadence]
    match = re.fullmatch(rf"(\d+)\s*{unit}s?", text.strip())
    if match is None or int(match[1]) < 1:
        raise ConfigurationError(f"{text!r} is not a number of {unit}s", fix=f"write it like '6 {unit}s'")
    return int(match[1])


def _refuse_other_calendar(table: FeatureTable, label: Timeline) -> None:
    """Features and labels meet partition by partition."""
    if label.calendar is None:
        raise ConfigurationError(f"label: {label.table} has no partitions", fix="declare those of the features for it")
    wanted, found = ((days.cadence, days.timezone) for days in (table.partitions, label.calendar))
    if wanted != found:
        raise ConfigurationError(
            f"label: {label.table} has {' '.join(found)} partitions, the features {' '.join(wanted)} ones",
            fix="give both one cadence and time zone",
        )


def _serving_calendar(table: FeatureTable, cadence: Cadence, windows: int) -> Calendar:
    """Windows from the first one whose whole training window has features, up to the current one."""
    days = table.partitions
    probe = Calendar(cadence, "2000-01-02" if cadence is Cadence.WEEKLY else "2000-01-01", days.timezone)
    first = probe.key_at(days.start_of(days.start))
    if probe.start_of(first) < days.start_of(days.start):
        first = probe.shift(first, 1)
    return Calendar(cadence, probe.shift(first, windows), days.timezone, ahead=1)
