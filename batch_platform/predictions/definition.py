"""What a prediction table is: which features, which version of which model, which columns come out.

Belongs here: the declaration and its consequences for the schema, free of heavy imports. Does not belong here:
scoring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from batch_platform.contracts.contract import Contract
from batch_platform.errors import ConfigurationError
from batch_platform.features.quarantine import Tolerance
from batch_platform.lake.digest import ROW_DIGEST as ROW_DIGEST
from batch_platform.lake.digest import combine
from batch_platform.lake.schema import RESOLVED, SOURCE_FILE, SOURCE_ROW
from batch_platform.models.runtimes.scores import ScoreField
from batch_platform.partitions import PARTITION_COLUMN, Calendar, Offset
from batch_platform.predictions.options import ScoringOptions
from batch_platform.sinks.declared import SinkDeclaration

ONE_IN_A_HUNDRED = Tolerance.parse("1%")

SCORE = "score"
"""What the one score of a model is called where nothing else is declared."""

PROBABILITY = ScoreField.parse(SCORE, "probability")

MODEL_VERSION, MODEL_DIGEST, FEATURES_DIGEST = "_model_version", "_model_digest", "_features_digest"
ERROR = "_error"

CHECKS = {
    "ledger": "Rows valid in the features = rows scored + rows reused + rows failed.",
    "key_is_unique": "No key stands twice in the partition.",
    "scores_in_range": "Every score is finite and lies within its declared range.",
    "model_as_expected": "Every row was scored by the version that serves the partition's decision time.",
}


@dataclass(frozen=True)
class Predictions:
    """One prediction table.

    Args:
        name: the table is `predictions/<name>`.
        features: the feature table's name in the lake.
        contract: the features' contract, which gives the columns their types.
        key: the columns that identify a row.
        calendar: the partitions.
        known_at: the decision time.
        registered_model: the model's name in the registry.
        version: `as_of`, `champion` or a version number.
        outputs: column -> the name of a score, or a SQL expression over scores and the columns before it.
        carry: feature columns that are handed on.
        engine: who maps shards.
        columns: the columns that the model may read.
        scores: what the model gives for a row.
        tolerance: how many rows may fail before a partition is refused.
        scoring: batches, shards, workers, device, memory.
        reuse: how many partitions before its own one lies whose scores a partition may take over; None: all rows are
            scored.
        sinks: where committed predictions go besides the lake.
    """

    name: str
    features: str
    contract: Contract
    key: tuple[str, ...]
    calendar: Calendar
    known_at: Offset
    registered_model: str
    version: str
    outputs: Mapping[str, str]
    carry: tuple[str, ...]
    engine: str
    columns: tuple[str, ...]
    scores: tuple[ScoreField, ...] = (PROBABILITY,)
    tolerance: Tolerance = ONE_IN_A_HUNDRED
    scoring: ScoringOptions = field(default_factory=ScoringOptions)
    reuse: int | None = None
    sinks: tuple[SinkDeclaration, ...] = ()

    def __post_init__(self) -> None:
        if not self.scores:
            raise ConfigurationError("scores is empty", fix="for example {score: probability}")
        names = [score.name for score in self.scores]
        if len(self.derived) == len(self.outputs):
            raise ConfigurationError(
                f"no output is a score; the model gives {', '.join(names)}",
                fix=f"for example {{late_probability: {names[0]}}}",
            )
        unsaved = [name for name in names if name not in self.outputs.values()]
        if self.reuse is not None and unsaved:
            raise ConfigurationError(
                f"reuse needs every score in the table, and {unsaved[0]!r} is no output",
                fix=f"add it to outputs, for example {{{unsaved[0]}: {unsaved[0]}}}",
            )
        hidden = [name for name in names if name in self.copied]
        if hidden:
            raise ConfigurationError(f"score {hidden[0]!r} is a key or carried column, too", fix="rename the score")
        for name in (*self.key, *self.carry):
            self.contract.column(name)
        for name in self.outputs:
            if name.startswith("_") or name == PARTITION_COLUMN:
                raise ConfigurationError(f"output {name!r} has a name that the platform keeps", fix="rename the output")
        twice = [name for name in self.outputs if name in self.copied]
        if twice:
            raise ConfigurationError(f"output {twice[0]!r} is a key or carried column, too", fix="rename the output")

    @property
    def table(self) -> str:
        """The table's name in the lake."""
        return f"predictions/{self.name}"

    @property
    def sql_digest(self) -> str:
        """A digest of the outputs (their SQL among it) and of the copied columns: what is done with the scores."""
        scores = [(score.name, score.text) for score in self.scores]
        known = [] if scores == [(SCORE, "float in [0, 1]")] else [repr(scores)]
        known += [] if self.reuse is None else [ROW_DIGEST]
        return combine([repr(list(self.outputs.items())), repr(self.copied), *known])

    @property
    def quarantine(self) -> str:
        """The name of the table of rows that the model could not score."""
        return f"quarantine/{self.name}"

    @property
    def copied(self) -> tuple[str, ...]:
        """The feature columns that stand in the output: key, then carried."""
        return tuple(dict.fromkeys((*self.key, *self.carry)))

    @property
    def derived(self) -> dict[str, str]:
        """The outputs that are SQL; all others are scores."""
        names = {score.name for score in self.scores}
        return {name: expression for name, expression in self.outputs.items() if expression not in names}

    def column_of(self, score: ScoreField) -> str | None:
        """The first output column that holds a score as the model gave it; None if there is none."""
        return next((name for name, expression in self.outputs.items() if expression == score.name), None)

    @property
    def score_column(self) -> str:
        """The first output column that holds a score."""
        return next(name for name in self.outputs if name not in self.derived)

    @property
    def quarantine_schema(self) -> pa.Schema:
        """Key and carried columns of rows that could not be scored, their position in the source, and why."""
        fields = [pa.field(name, self.contract.column(name).arrow_type) for name in self.copied]
        fields += [pa.field(SOURCE_FILE, pa.string()), pa.field(SOURCE_ROW, pa.int64())]
        extra = [pa.field(MODEL_VERSION, pa.string()), pa.field(ERROR, pa.string()), pa.field(RESOLVED, pa.bool_())]
        return pa.schema(fields + extra)

    def decision(self, key: str) -> datetime:
        """The decision time of a partition."""
        return self.known_at.after(self.calendar.start_of(key))

    @property
    def decided_before(self) -> int:
        """How many partitions before its own one the decision time of a partition falls; 0 or less: not before."""
        days, offset = self.calendar, 0
        decision = self.decision(days.first)
        while days.start_of(days.shift(days.first, offset)) > decision:
            offset -= 1
        while days.start_of(days.shift(days.first, offset + 1)) <= decision:
            offset += 1
        return -offset
