"""What a prediction table is: which features, which version of which model, which columns come out.

Belongs here: the declaration and its consequences for the schema, free of heavy imports. Does not belong here:
scoring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from batch_platform.contracts.contract import Contract
from batch_platform.errors import ConfigurationError
from batch_platform.lake.digest import combine
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.partitions import PARTITION_COLUMN, Calendar, Offset

SCORE = "score"
"""In `outputs`, what the model says about a row."""

MODEL_VERSION, MODEL_DIGEST, FEATURES_DIGEST = "_model_version", "_model_digest", "_features_digest"
ERROR = "_error"

CHECKS = {
    "ledger": "Rows valid in the features = rows scored + rows reused + rows failed.",
    "key_is_unique": "No key stands twice in the partition, read back from the files.",
    "scores_in_range": "Every score is a finite probability between 0 and 1.",
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
        outputs: column -> `score`, or a SQL expression over the columns before it.
        carry: feature columns that are handed on.
        engine: who maps shards.
        columns: the columns that the model reads.
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

    def __post_init__(self) -> None:
        if list(self.outputs.values()).count(SCORE) != 1:
            raise ConfigurationError(
                "outputs needs exactly one column that is the score", fix="for example {late_probability: score}"
            )
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
        return combine([repr(list(self.outputs.items())), repr(self.copied)])

    @property
    def quarantine(self) -> str:
        """The name of the table of rows that the model could not score."""
        return f"quarantine/{self.name}"

    @property
    def copied(self) -> tuple[str, ...]:
        """The feature columns that stand in the output: key, then carried."""
        return tuple(dict.fromkeys((*self.key, *self.carry)))

    @property
    def score_column(self) -> str:
        """The output column that holds the score."""
        return next(name for name, expression in self.outputs.items() if expression == SCORE)

    @property
    def quarantine_schema(self) -> pa.Schema:
        """Key and carried columns of rows that could not be scored, their position in the source, and why."""
        fields = [pa.field(name, self.contract.column(name).arrow_type) for name in self.copied]
        fields += [pa.field(SOURCE_FILE, pa.string()), pa.field(SOURCE_ROW, pa.int64())]
        extra = [pa.field(MODEL_VERSION, pa.string()), pa.field(ERROR, pa.string()), pa.field("_resolved", pa.bool_())]
        return pa.schema(fields + extra)

    def decision(self, key: str) -> datetime:
        """The decision time of a partition."""
        return self.known_at.after(self.calendar.start_of(key))
