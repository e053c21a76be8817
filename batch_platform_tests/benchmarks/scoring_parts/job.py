"""What every process of the scoring benchmark knows: the names of the tables and columns, and what lies where.

Belongs here: names and paths. Imports nothing heavy, since it would count as the memory of every contender.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FEATURES, PREDICTIONS = "features/bench_features", "predictions/bench"
MODEL, PARTITION, KEY = "bench", "2026-01-05", "event"
NUMBERS = tuple(f"number_{index}" for index in range(16))
LEVELS = {"channel": 6, "store": 40, "product": 400}
"""The text columns and how many values each has; one row in fifty has no store."""

COLUMNS = (*NUMBERS, *LEVELS)
"""The 19 columns that the model reads."""


@dataclass(frozen=True)
class Job:
    """One benchmark's folder, a deployment as `batch_platform_tests.models.registered.settings_in` makes it."""

    folder: Path

    @property
    def lake(self) -> Path:
        """The root of the lake."""
        return self.folder / "lake"

    @property
    def registry(self) -> str:
        """The address of the model registry."""
        return f"sqlite:///{self.folder / 'registry' / 'mlflow.db'}"

    @property
    def artifacts(self) -> Path:
        """Where the registry keeps model files."""
        return self.folder / "artifacts"

    @property
    def model(self) -> Path:
        """The folder of the model's two files, for those who do not use the registry."""
        return self.folder / "model"

    @property
    def files(self) -> list[str]:
        """The Parquet files of the rows."""
        return sorted(map(str, (self.lake / FEATURES).glob(f"*={PARTITION}/*.parquet")))

    def target(self, contender: str) -> Path:
        """Where a contender writes its scores."""
        return self.folder / "scores" / contender
