"""A feature table of visits, its contract, and a prediction table on it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from batch_platform.contracts.contract import Contract
from batch_platform.features.quarantine import Tolerance
from batch_platform.lake.log import live_rows
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.models.artifact import digest_of, save
from batch_platform.models.runtimes.loading import ModelSource
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.predictions.definition import Predictions
from batch_platform.predictions.options import SHARD_ROWS
from batch_platform.predictions.reader import feature_file
from batch_platform.predictions.scorer import Serving, ShardScorer
from batch_platform.predictions.shards import Shard, cut
from batch_platform_tests.contracts.declared import load_contracts
from batch_platform_tests.models.registered import FEATURES

_CONTRACT = """\
version: 2
models:
  - name: visit_features
    description: One row per visit.
    columns:
      - {name: visit, data_type: BIGINT, meta: {role: key}, data_tests: [not_null]}
      - {name: distance, data_type: DOUBLE, meta: {role: feature}}
      - {name: color, data_type: VARCHAR, meta: {role: feature}}
      - {name: city, data_type: VARCHAR, meta: {role: carried}}
"""


@cache
def contract() -> Contract:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "schema.yml").write_text(_CONTRACT, "utf-8")
        return next(iter(load_contracts(Path(folder)).values()))


def visits(rows: int, **columns: Any) -> pa.Table:
    """Feature rows whose distances are 0 to just under 1."""
    table = pa.table(
        {
            "visit": pa.array(range(rows), pa.int64()),
            "distance": pa.array([index / max(rows, 1) for index in range(rows)], pa.float64()),
            "color": pa.array([("red", "blue", None)[index % 3] for index in range(rows)], pa.string()),
            "city": pa.array([f"city {index % 5}" for index in range(rows)], pa.string()),
            "_source_file": pa.array(["visits.csv"] * rows, pa.string()),
            "_source_row": pa.array(range(1, rows + 1), pa.int64()),
        }
    )
    for name, values in columns.items():
        position = table.schema.get_field_index(name)
        table = table.set_column(position, table.schema.field(name), pa.array(values, table.schema.field(name).type))
    return table


def predictions_of(**changes: Any) -> Predictions:
    """`predictions/visits`, which decides at six in the evening of the day before."""
    table = Predictions(
        name="visits",
        features=FEATURES,
        contract=contract(),
        key=("visit",),
        calendar=Calendar(Cadence.DAILY, "2026-01-01"),
        known_at=Offset.parse("-1d 18:00"),
        registered_model="visits",
        version="as_of",
        outputs={"chance": "score", "is_likely": "chance > 0.25"},
        carry=("city",),
        engine="local",
        columns=("distance", "color"),
        tolerance=Tolerance.parse("100%"),
    )
    return replace(table, **changes)


def source_of(model: Any, folder: Path) -> ModelSource:
    """A model as files, which a scorer loads although no registry knows it."""
    save(model, folder)
    return ModelSource("visits", "1", digest_of(model), folder)


def scorer_of(lake: Lake, model: Any, rows: int = 1_000, **changes: Any) -> ShardScorer:
    """The scorer of the partition 2026-01-05, of so many rows, with a model that is in no registry."""
    root = Path(tempfile.mkdtemp() if not lake.is_local else lake.root)
    source = source_of(model, root / "models" / digest_of(model))
    return ShardScorer(predictions_of(**changes), lake, {"2026-01-05": Serving(source, "f" * 32, rows)}, root / "spill")


def shards_of(lake: Lake, key: str = "2026-01-05", shard_rows: int = SHARD_ROWS) -> list[Shard]:
    """The shards of a committed partition of the features."""
    files = live_rows(Table(lake, FEATURES).open())[key]
    return cut(key, [feature_file(lake, FEATURES, path, rows, shard_rows) for path, rows in files], ("f",), shard_rows)
