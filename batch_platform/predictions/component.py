"""`PredictionTable`: features and a pinned model version in, predictions out, committed atomically."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import dagster as dg
from pydantic import Field, PrivateAttr

from batch_platform.automation.declared import Declaration, FeatureTableName, Owners, Pipeline, find
from batch_platform.automation.declared_schedule import AutomationField, SloField, objective
from batch_platform.automation.reporting import asset_key, check_specs
from batch_platform.automation.scaffold import scaffolder
from batch_platform.automation.step import table_step
from batch_platform.engines import ENGINES
from batch_platform.errors import ConfigurationError, RegistryError
from batch_platform.features.component import Quarantine, column_schema, feature_tables
from batch_platform.features.quarantine import Tolerance
from batch_platform.models.component import model_definitions
from batch_platform.models.definition import ModelDefinition
from batch_platform.models.runtimes.base import BATCH_ROWS
from batch_platform.models.runtimes.scores import ScoreField
from batch_platform.outcomes import PartitionOutcome, Run
from batch_platform.partitions import stretch_mapping
from batch_platform.predictions.definition import (
    CHECKS,
    FEATURES_DIGEST,
    MODEL_DIGEST,
    MODEL_VERSION,
    SCORE,
    Predictions,
)
from batch_platform.predictions.options import SHARD_ROWS, ScoringOptions
from batch_platform.predictions.outputs import output_schema
from batch_platform.schedules.scheduled import Input, Role, Scheduled
from batch_platform.settings import Settings
from batch_platform.sinks.declared import refuse_unknown_columns
from batch_platform.sinks.delivery import CHECK, CHECK_TEXT
from batch_platform.sinks.parsing import parse_sinks
from batch_platform.telemetry.cost import Meter


class ScoringField(dg.Model, dg.Resolvable):
    """How shards are scored; none of it changes what comes out, but for the last bits where `batch_rows` does."""

    batch_rows: Annotated[int, Field(description="Rows that the model sees at once.")] = BATCH_ROWS
    shard_rows: Annotated[int, Field(description="Rows of a shard, about.")] = SHARD_ROWS
    workers: Annotated[int | None, Field(description="One for each processor, unless set.")] = None
    worker_kind: Annotated[
        Literal["threads", "processes"] | None, Field(description="The model decides, unless set.")
    ] = None
    device: Annotated[str, Field(description="cpu, cuda, cuda:1, or auto.")] = "cpu"
    memory: Annotated[str | None, Field(description="'2GB'; a quarter of the machine's, unless set.")] = None


@dg.scaffold_with(scaffolder("batch_platform.scaffold.prediction_table"))
class PredictionTable(Declaration):
    """Scores `predictions/<name>`: one row for each valid feature row, by the version that serves its partition."""

    name: Annotated[str, Field(description="The table is predictions/<name>.", pattern=r"^[a-z][a-z0-9_]*$")]
    features: Annotated[FeatureTableName, Field(description="The feature table.")]
    registered_model: Annotated[str, Field(description="The model's name in the registry.")]
    outputs: Annotated[
        dict[str, str], Field(description="Column -> a score, or SQL over scores and columns before it.", min_length=1)
    ]
    scores: Annotated[
        dict[str, str],
        Field(
            description="What the model gives: name -> probability, float, double, integer, text, boolean or "
            "float[384]; numbers may end with ' in [0, 1]'.",
            default_factory=lambda: {SCORE: "probability"},
        ),
    ]
    version: Annotated[
        str | int,
        Field(description="as_of (newest whose window has begun at the decision time), champion, or a number."),
    ] = "as_of"
    carry: Annotated[Sequence[str], Field(description="Feature columns that are handed on.")] = ()
    engine: Annotated[str, Field(description=f"Who maps shards: {', '.join(ENGINES)}.")] = "local"
    scoring: Annotated[
        ScoringField, Field(description="Batches, workers, device, memory.", default_factory=ScoringField)
    ]
    quarantine: Annotated[Quarantine, Field(description="How many rows may fail.", default_factory=Quarantine)]
    reuse: Annotated[
        int | None,
        Field(
            description="Take over scores of unchanged rows from the partition this many before: 1 is the last.", ge=0
        ),
    ] = None
    sinks: Annotated[
        Sequence[dict[str, Any]], Field(description="Where committed predictions go: see docs/how-to/sinks.md.")
    ] = ()
    slo: Annotated[SloField | None, Field(description="The deadline of each partition.")] = None
    automation: Annotated[
        AutomationField, Field(description="When it is scored by itself.", default_factory=AutomationField)
    ]
    owners: Owners = ()
    description: Annotated[str, Field(description="Shown in the UI.")] = ""

    _definition: tuple[Predictions, ModelDefinition | None] | None = PrivateAttr(None)

    @property
    def table(self) -> str:
        """The table's name in the lake."""
        return f"predictions/{self.name}"

    def definition(self, context: dg.ComponentLoadContext) -> tuple[Predictions, ModelDefinition | None]:
        """The table as the scorer needs it, and its model if a component of the project trains it.

        Raises:
            ConfigurationError: features, model, engine, columns or the deadline make no sense.
        """
        if self._definition is None:
            self._definition = self._declared(context)
        return self._definition

    def _declared(self, context: dg.ComponentLoadContext) -> tuple[Predictions, ModelDefinition | None]:
        known = feature_tables(context)
        features = find(self.features, known, "feature table")
        if self.name in known:
            raise ConfigurationError(
                f"{self.table} and features/{self.name} would share the table quarantine/{self.name}",
                fix="rename one of them",
            )
        if self.engine not in ENGINES:
            raise ConfigurationError(f"unknown engine {self.engine!r}", fix=f"use one of {', '.join(ENGINES)}")
        if not re.fullmatch(r"as_of|champion|[1-9][0-9]*", str(self.version)):
            raise ConfigurationError(f"version {self.version!r}", fix="use as_of, champion or a version number")
        model = model_definitions(context).get(self.registered_model)
        table = Predictions(
            name=self.name,
            features=features.model.table,
            contract=features.contract,
            key=features.model.key,
            calendar=features.partitions,
            known_at=features.known_at,
            registered_model=self.registered_model,
            version=str(self.version),
            outputs=self.outputs,
            carry=tuple(self.carry),
            engine=self.engine,
            columns=features.contract.features,
            scores=tuple(ScoreField.parse(name, text) for name, text in self.scores.items()),
            tolerance=Tolerance.parse(self.quarantine.stop_above),
            scoring=ScoringOptions.declared(**self.scoring.model_dump()),
            reuse=self.reuse,
            sinks=parse_sinks(self.sinks),
        )
        # Its SQL is tried on no rows: a mistake is told now, not at night.
        refuse_unknown_columns(table.sinks, output_schema(table).names)
        return table, model

    def scheduled(self, context: dg.ComponentLoadContext) -> list[Scheduled]:
        """The table as the schedule sees it: a partition can be scored at its decision time.

        Raises:
            ConfigurationError: its deadline cannot be met, or its rules make no sense.
        """
        return [self._scheduled(*self.definition(context))]

    def _scheduled(self, predictions: Predictions, model: ModelDefinition | None) -> Scheduled:
        calendar = predictions.calendar
        inputs = [Input(predictions.features, lambda key: [key])]
        if model is not None and predictions.version == "as_of":
            windows = model.calendar
            inputs.append(Input(model.table, lambda key: [windows.key_at(predictions.decision(key))], Role.MODEL))
        return Scheduled(
            self.table,
            calendar,
            predictions.known_at,
            self.automation.rules(calendar, self.table),
            beside=(predictions.quarantine,),
            inputs=tuple(inputs),
            slo=objective(self.slo, predictions.known_at, calendar, "known_at"),
            pipeline=self.pipeline,
            owners=tuple(self.owners),
            code=predictions.sql_digest,
            serving=lambda settings: _serving(predictions, settings),
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """One step: the predictions, the rows that could not be scored, the checks."""
        with self.declaring():
            self.refuse_namesake(context, self.name)
            predictions, model = self.definition(context)
            self._scheduled(predictions, model)
        partitions = predictions.calendar.definition

        def compute(settings: Settings, keys: Sequence[str], run: Run, meter: Meter) -> list[PartitionOutcome]:
            # Imported when it is needed: loading definitions must not wait for torch and MLflow.
            from batch_platform.predictions.score import score

            return score(predictions, settings, keys, run, meter)

        deps = [dg.AssetDep(asset_key(predictions.features))]
        if model is not None:
            back = predictions.decided_before
            serving = stretch_mapping(back, back)
            deps.append(dg.AssetDep(asset_key(model.table), partition_mapping=serving))
        pipeline, kinds = Pipeline.of(context, self.owners), {"delta", "pytorch"}
        described = self.description or f"Predictions of {self.registered_model}."
        metadata = {"dagster/column_schema": _columns(predictions), "due": self.slo.due if self.slo else "none"}
        code = predictions.sql_digest[:12]
        failed = f"Rows that the model could not score for {predictions.table}, with the error."
        specs = [
            pipeline.spec(predictions.table, described, kinds, partitions, deps, metadata, code),
            pipeline.spec(predictions.quarantine, failed, {"delta", "quarantine"}, partitions, deps, None, code),
        ]
        checks = check_specs(predictions.table, CHECKS, partitions)
        if predictions.sinks:
            checks += check_specs(predictions.table, {CHECK: CHECK_TEXT}, partitions, blocking=False)[1:]
        step = table_step(predictions.table, specs=specs, checks=checks, compute=compute, engine=self.engine)
        return dg.Definitions(assets=[step])


def _serving(predictions: Predictions, settings: Settings) -> Callable[[str], str | None]:
    from batch_platform.models.registry import Registry
    from batch_platform.predictions.planning import serving_version

    versions = Registry(settings).versions(predictions.registered_model)

    def number(key: str) -> str | None:
        try:
            return serving_version(predictions, versions, key).number
        except RegistryError:
            return None

    return number


def _columns(predictions: Predictions) -> dg.TableSchema:
    """The output's columns: those copied from the features keep their description."""
    described = {column.name: column for column in column_schema(predictions.contract).columns}
    copied = [described[name] for name in predictions.copied]
    scores = {score.name: score.text for score in predictions.scores}
    derived = [
        dg.TableColumn(
            name,
            "derived" if name in predictions.derived else scores[expression],
            f"SQL: {expression}" if name in predictions.derived else f"The model's {expression}.",
        )
        for name, expression in predictions.outputs.items()
    ]
    own = [
        dg.TableColumn(MODEL_VERSION, "VARCHAR", "The version that scored the row."),
        dg.TableColumn(MODEL_DIGEST, "VARCHAR", "Its digest."),
        dg.TableColumn(FEATURES_DIGEST, "VARCHAR", "Digest of the feature partition that was scored."),
    ]
    return dg.TableSchema(columns=[*copied, *derived, *own])
