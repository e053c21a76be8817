"""Small models, an empty registry and labelled tables that several folders of tests use."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from batch_platform.lake.commit import replace_partitions
from batch_platform.lake.digest import digest_table
from batch_platform.lake.provenance import InputRead, Ledger, PartitionRecord, Provenance, Stage
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.models.registry import Registry, Version
from batch_platform.settings import Settings

FEATURES = "features/visit_features"


@dataclass(frozen=True)
class Line:
    """Scores `slope * distance`, without limits, so that a test can make a score be anything."""

    slope: float
    features: tuple[str, ...] = ("distance", "color")

    @property
    def tensors(self) -> Mapping[str, Any]:
        return {"slope": np.array(self.slope)}

    @property
    def config(self) -> Mapping[str, object]:
        return {"features": list(self.features), "numeric": ["distance"]}

    def predict(self, batch: pa.RecordBatch | pa.Table) -> Any:
        return np.array(batch.column("distance").to_numpy(zero_copy_only=False), np.float64) * self.slope

    @classmethod
    def from_parts(cls, tensors: Mapping[str, Any], config: Mapping[str, Any]) -> Any:
        return cls(float(tensors["slope"]), tuple(config["features"]))


class Wide(Line):
    """Scores of a shape that no table can hold."""

    def predict(self, batch: pa.RecordBatch | pa.Table) -> Any:
        return np.zeros((batch.num_rows, 2))


EXAMPLE = pa.table({"distance": pa.array([0.25, 0.5]), "color": ["red", None]})


@cache
def _template() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory()
    settings = Settings(Path(folder.name), Lake(folder.name), f"sqlite:///{folder.name}/mlflow.db", folder.name)
    assert not Registry(settings).versions("nothing")
    return folder


def settings_in(folder: Path) -> Settings:
    """A deployment in an empty folder; its registry's schema is copied, since making one takes seconds."""
    (folder / "registry").mkdir()
    shutil.copy(Path(_template().name) / "mlflow.db", folder / "registry" / "mlflow.db")
    address = f"sqlite:///{folder / 'registry' / 'mlflow.db'}"
    return Settings(folder, Lake(str(folder / "lake")), address, str(folder / "artifacts"))


def registered(settings: Settings, model: Any, day: str = "2026-01-01", *, promote: bool = True) -> Version:
    """A version of the model `visits` that serves from midnight UTC of a day on."""
    registry = Registry(settings)
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    version = registry.register(
        "visits", model, EXAMPLE, window=day, window_start=start, metrics={"brier": 0.1}, parameters={"seed": "1"}
    )
    if promote:
        registry.promote(version)
    return version


def commit_features(lake: Lake, contents: Mapping[str, pa.Table], table: str = FEATURES, files: int = 1) -> None:
    """Commit partitions of a feature table, each cut into a number of files."""
    target = Table(lake, table)
    parts = {
        key: [
            target.write(key, rows.slice(first, max(1, -(-rows.num_rows // files))))
            for first in range(0, max(1, rows.num_rows), max(1, -(-rows.num_rows // files)))
        ]
        for key, rows in contents.items()
    }
    records = {
        key: PartitionRecord(
            digest_table(rows).hex,
            Ledger(rows.num_rows, {"valid": rows.num_rows, "quarantined": 0}),
            inputs={"snapshots/visits": InputRead(0, "0" * 32)},
        )
        for key, rows in contents.items()
    }
    provenance = Provenance(
        Stage.FEATURES, "run", "local", 0.1, 0.0, records, sql_digest="s", package_version="1", git_commit="g"
    )
    replace_partitions(target, next(iter(contents.values())).schema, parts, provenance)
