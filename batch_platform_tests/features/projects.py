"""Small SQL projects, read as the component reads them, without Dagster."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import pyarrow as pa

from batch_platform.features.catalog import Catalog
from batch_platform.features.definition import FeatureTable
from batch_platform.features.groups import Group, read_groups
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.sql.binding import input_schema
from batch_platform.timelines import Timeline

DAILY = Calendar(Cadence.DAILY, "2025-01-06", "America/New_York")
FLIGHTS = {"flight": pa.string(), "distance_miles": pa.int64(), "speed": pa.float64()}
AIRPORTS = {"airport": pa.string(), "runways": pa.int32()}
CONTRACT = """\
version: 2
models:
  - name: {name}
    columns:
      - {{name: flight, data_type: VARCHAR, meta: {{role: key}}, data_tests: [not_null]}}
      - {{name: distance_miles, data_type: BIGINT}}
"""
DAYS = """\
{{ config(key=['flight']) }}
SELECT flights.flight, flights.distance_miles, flights._source_file, flights._source_row
FROM {{ source('snapshots', 'flights') }} AS flights
"""


def write(root: Path, files: Mapping[str, str]) -> Path:
    """A folder with these files."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def read_project(root: Path, files: Mapping[str, str], known_at: str = "+1d 06:00") -> dict[str, FeatureTable]:
    """The models of a project over daily `flights` and `outcomes`, and `airports`, which have no partitions."""
    write(root / "shop", files)
    available = Offset.parse("+1d 02:00")
    timelines = {
        "snapshots/flights": Timeline("snapshots/flights", DAILY, available),
        "snapshots/outcomes": Timeline("snapshots/outcomes", DAILY, Offset.parse("+2d")),
        "snapshots/airports": Timeline("snapshots/airports", None, None),
    }
    columns = {
        "snapshots/flights": input_schema(FLIGHTS, partitioned=True),
        "snapshots/outcomes": input_schema({"flight": pa.string(), "late": pa.bool_()}, partitioned=True),
        "snapshots/airports": input_schema(AIRPORTS, partitioned=False),
    }
    group = Group("shop", "", known_at, "1%", nullcontext)
    read_groups([group], Catalog(timelines, columns), root)
    return {table.model.name: table for table in group.tables}
