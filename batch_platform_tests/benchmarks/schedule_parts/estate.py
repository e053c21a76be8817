"""A project of many pipelines, and a lake in which years of their partitions exist.

Belongs here: writing both. Does not belong here: what is measured on them.

The tables of one pipeline are written through the lake's own commits: its history in one range, then one commit a day.
Those of the others are copies of its logs with other names in them. Their data files are left out: whoever decides
about schedules reads logs only.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import pyarrow as pa

from batch_platform.lake.commit import replace_partitions
from batch_platform.lake.data_file import DataFile, partition_folder, statistics
from batch_platform.lake.digest import combine
from batch_platform.lake.provenance import InputRead, Ledger, ModelUsed, PartitionRecord, Provenance, SourceRead, Stage
from batch_platform.lake.table import Table
from batch_platform.partitions import Cadence, Calendar
from batch_platform.settings import Settings
from batch_platform_tests.models.registered import settings_in
from batch_platform_tests.pipelines.project import Project

SINGLE_COMMITS = 30
"""The newest days, each committed by itself."""
LOOKBACK = 3

_DEFS = """\
type: batch_platform.InputSnapshot
attributes:
  name: visits_{n}
  partitions: {{cadence: daily, start: "{start}", timezone: UTC}}
  available: +1d
  source:
    files: data/visits_{n}/{{partition_key}}.csv
    columns: {{visit: BIGINT, distance: DOUBLE, color: VARCHAR}}
  key: [visit]
  owners: [team:shop]
---
type: batch_platform.InputSnapshot
attributes:
  name: purchases_{n}
  partitions: {{cadence: daily, start: "{start}", timezone: UTC}}
  available: +1d
  source:
    files: data/purchases_{n}/{{partition_key}}.csv
    columns: {{visit: BIGINT, bought: BOOLEAN}}
  key: [visit]
  owners: [team:shop]
---
type: batch_platform.FeatureTables
attributes:
  models: visits_{n}
  known_at: +1d
  slo: {{due: "+1d 06:00"}}
  owners: [team:shop]
---
type: batch_platform.ModelVersion
attributes:
  name: visits_{n}
  features: visit_features_{n}
  label: {{from: purchases_{n}, sql: bought}}
  serving_window: monthly
  training: {{lookback: 1 month, holdout: 1 month}}
  owners: [team:shop]
---
type: batch_platform.PredictionTable
attributes:
  name: visits_{n}
  features: visit_features_{n}
  registered_model: visits_{n}
  outputs: {{chance: score}}
  slo: {{due: "+1d 07:00", critical: true}}
  owners: [team:shop]
"""
_SQL = """\
{{{{ config(key=['visit'], cadence='daily', lookback={{'visits_{n}': 3}}) }}}}
SELECT visit, distance, color, _source_file, _source_row
FROM {{{{ source('snapshots', 'visits_{n}') }}}}
WHERE partition_key = strftime({{{{ window.start }}}} AT TIME ZONE 'UTC', '%Y-%m-%d')
"""
_CONTRACT = """\
version: 2
models:
  - name: visit_features_{n}
    columns:
      - {{name: visit, data_type: BIGINT, meta: {{role: key}}, data_tests: [not_null]}}
      - {{name: distance, data_type: DOUBLE, meta: {{role: feature}}, data_tests: [{{range: {{min: 0}}}}]}}
      - {{name: color, data_type: VARCHAR, meta: {{role: feature}}, data_tests: [not_null]}}
"""


def write_project(root: Path, pipelines: int, days: int) -> Settings:
    """The pipelines, the first of whose partitions is `days` days old, and an empty registry."""
    project = Project.create(root)
    (root / "dg.toml").write_text((root / "dg.toml").read_text() + f'code_location_name = "{root.name}"\n')
    for number in range(pipelines):
        n, name = f"{number:03}", f"visits_{number:03}"
        folder = project.sql(name)
        folder.mkdir()
        project.defs(name).parent.mkdir()
        project.defs(name).write_text(_DEFS.format(n=n, start=days_back(days, 1)[0]))
        (folder / f"visit_features_{n}.sql").write_text(_SQL.format(n=n))
        (folder / "schema.yml").write_text(_CONTRACT.format(n=n))
    return settings_in(root)


def days_back(oldest: int, newest: int) -> list[str]:
    """The days from `oldest` to `newest` days before today."""
    today = date.today()
    return [str(today - timedelta(days=back)) for back in range(oldest, newest - 1, -1)]


def fill(settings: Settings, pipelines: int, days: Sequence[str]) -> int:
    """Write all partitions of these days, and model versions for all their months; how many partitions there are."""
    tables = _first(settings, days)
    for number in range(1, pipelines):
        for table in tables:
            _copy(Path(settings.lake.root), table, f"{number:03}")
    months = _versions(settings, pipelines, days)
    return pipelines * (len(tables) * len(days) + months)


def _first(settings: Settings, days: Sequence[str]) -> list[str]:
    digests = {day: sha256(day.encode()).hexdigest()[:32] for day in days}
    reads = {
        day: InputRead(1, combine([digests[d] for d in days[max(0, at + 1 - LOOKBACK) : at + 1]]), (first, day))
        for at, day in enumerate(days)
        for first in [days[max(0, at + 1 - LOOKBACK)]]
    }
    model = ModelUsed("visits_000", "1", "d" * 32)
    records: dict[str, dict[str, PartitionRecord]] = {
        **{
            f"snapshots/{name}_000": {
                day: PartitionRecord(
                    digests[day],
                    Ledger(1, {"captured": 1}),
                    sources=(SourceRead(f"data/{name}_000/{day}.csv", "0" * 64, 9),),
                )
                for day in days
            }
            for name in ("visits", "purchases")
        },
        "features/visit_features_000": {
            day: PartitionRecord(
                digests[day], Ledger(1, {"valid": 1, "quarantined": 0}), {"snapshots/visits_000": reads[day]}
            )
            for day in days
        },
        "quarantine/visit_features_000": {
            day: PartitionRecord("0" * 32, Ledger(0, {"quarantined": 0})) for day in days
        },
        "predictions/visits_000": {
            day: PartitionRecord(
                digests[day],
                Ledger(1, {"scored": 1, "reused": 0, "failed": 0}),
                {"features/visit_features_000": InputRead(1, digests[day], (day, day))},
                model=model,
            )
            for day in days
        },
        "quarantine/visits_000": {day: PartitionRecord("0" * 32, Ledger(0, {"failed": 0})) for day in days},
    }
    rows = pa.table({"visit": pa.array([1], pa.int64())})
    stretches = [list(days[:-SINGLE_COMMITS]), *([day] for day in days[-SINGLE_COMMITS:])]
    for name, known in records.items():
        table = Table(settings.lake, name)
        for keys in stretches:
            stage = Stage(name.split("/")[0])
            provenance = Provenance(stage, "run", "local", 1.0, 0.0, {key: known[key] for key in keys}, "s" * 64)
            replace_partitions(table, rows.schema, {key: [_file(table, key, rows)] for key in keys}, provenance)
    return list(records)


def _file(table: Table, key: str, rows: pa.Table) -> DataFile:
    """The same bytes for every partition: a link to the first one's file."""
    folder = Path(table.uri)
    first = next(folder.glob("*/*.parquet"), None)
    if first is None:
        return table.write(key, rows)
    place = folder / f"{partition_folder(key)}{first.name}"
    place.parent.mkdir()
    os.link(first, place)
    return DataFile(str(place.relative_to(folder)), key, first.stat().st_size, rows.num_rows, statistics(rows))


def _copy(lake: Path, table: str, number: str) -> None:
    log = lake / table.replace("000", number) / "_delta_log"
    log.mkdir(parents=True)
    for entry in (lake / table / "_delta_log").glob("*.json"):
        (log / entry.name).write_text(entry.read_text().replace("_000", f"_{number}"))


def _versions(settings: Settings, pipelines: int, days: Sequence[str]) -> int:
    calendar = Calendar(Cadence.MONTHLY, days[0][:7] + "-01", "UTC", 1)
    months = calendar.keys_between(calendar.first, days[-1][:7] + "-01")
    with sqlite3.connect(settings.registry.removeprefix("sqlite:///")) as database:
        for number in range(pipelines):
            name = f"visits_{number:03}"
            database.execute(
                "INSERT INTO registered_models (name, creation_time, last_updated_time) VALUES (?, 0, 0)", [name]
            )
            for version, month in enumerate(months, 1):
                database.execute(
                    "INSERT INTO model_versions (name, version, creation_time, last_updated_time, current_stage, "
                    "source, run_id, status) VALUES (?, ?, 0, 0, 'None', 'x', 'r', 'READY')",
                    [name, version],
                )
                tags = {
                    "digest": sha256(f"{name} {month}".encode()).hexdigest(),
                    "serving_window": month,
                    "serving_window_start": f"{month}T00:00:00+00:00",
                    "promoted": "true",
                    "promoted_at": str(version),
                }
                database.executemany(
                    "INSERT INTO model_version_tags (name, version, key, value) VALUES (?, ?, ?, ?)",
                    [(name, version, key, value) for key, value in tags.items()],
                )
    return len(months)
