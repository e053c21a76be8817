"""How long it takes to compile a project of many SQL models and to load its definitions.

    python -m batch_platform_tests.benchmarks.definitions [MODELS] [PASSES]

A project of two snapshots and MODELS (500) models in chains of five is made in a temporary folder and loaded in a
fresh process, PASSES (3) times; beside it, in the same run, Dagster loads as many bare assets with as many checks. The
first pass follows the lineage of forty models, each next one of forty more, kept in local/cache/lineage.json.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from batch_platform.settings import PROJECT
from batch_platform_tests.pipelines.project import Project

_SNAPSHOT = """\
type: batch_platform.InputSnapshot
attributes:
  name: {name}
  partitions: {{cadence: daily, start: "2025-01-06", timezone: America/New_York}}
  available: +1d 06:00
  source:
    files: data/{name}/{{partition_key}}.csv
    columns: {{customer: VARCHAR, amount: DOUBLE, quantity: BIGINT, happened_at: TIMESTAMPTZ}}
---
"""
_FEATURES = "type: batch_platform.FeatureTables\nattributes:\n  models: shop\n  known_at: +1d 08:00\n"
_SQL = """\
{{{{ config(key=['customer']) }}}}

WITH totals AS (
    SELECT customer, sum(amount) AS amount, sum(quantity) AS quantity, count(*) AS orders_count
    FROM {source} AS given GROUP BY customer
)

SELECT
    totals.customer,
    round(totals.amount, 2) AS amount,
    CAST(totals.quantity AS BIGINT) AS quantity,
    totals.orders_count,
    CAST(NULL AS VARCHAR) AS _source_file,
    CAST(NULL AS BIGINT) AS _source_row
FROM totals
"""
_CONTRACT = """\
  - name: {name}
    description: The purchases of each customer.
    columns:
      - {{name: customer, description: Who bought., data_type: VARCHAR, meta: {{role: key}}, data_tests: [not_null]}}
      - {{name: amount, data_type: DOUBLE, meta: {{role: feature}}, data_tests: [{{range: {{min: 0}}}}]}}
      - {{name: quantity, data_type: BIGINT, meta: {{role: feature}}, data_tests: [not_null]}}
      - {{name: orders_count, data_type: BIGINT, meta: {{role: feature}}, data_tests: [not_null]}}
"""
_LOAD = """\
import sys, time
from pathlib import Path
import dagster as dg
import duckdb, polars, pandera.polars, sqlglot, jinja2
import batch_platform.features.component, batch_platform.snapshots.component
began = time.perf_counter()
sys.path.insert(0, {root!r})
definitions = dg.ComponentTree.for_project(Path({root!r})).build_defs()
definitions.get_repository_def().asset_graph
print(time.perf_counter() - began)
"""
_BARE = """\
import time
import dagster as dg
began = time.perf_counter()
days = dg.DailyPartitionsDefinition("2025-01-06")
def make(n):
    keys = [dg.AssetKey(["features", f"m{{n}}"]), dg.AssetKey(["quarantine", f"m{{n}}"])]
    deps = [dg.AssetKey(["features", f"m{{n - 1}}"])] if n % 5 else []
    checks = [dg.AssetCheckSpec(f"c{{i}}", asset=keys[0], partitions_def=days) for i in range(6)]
    @dg.multi_asset(name=f"m{{n}}", specs=[dg.AssetSpec(k, deps=deps, partitions_def=days) for k in keys],
                    check_specs=checks, can_subset=True)
    def step():
        yield
    return step
definitions = dg.Definitions(assets=[make(n) for n in range({models})])
definitions.get_repository_def().asset_graph
print(time.perf_counter() - began)
"""


def make_project(root: Path, models: int) -> None:
    """Two snapshots, and chains of five models over them."""
    project = Project.create(root)
    folder = project.sql("shop")
    folder.mkdir()
    project.defs("shop").parent.mkdir()
    project.defs("shop").write_text("".join(_SNAPSHOT.format(name=name) for name in ("orders", "returns")) + _FEATURES)
    contracts = ["version: 2\nmodels:\n"]
    for number in range(models):
        name, first = f"model_{number:03}", number % 5 == 0
        stage = ("orders", "returns")[number // 5 % 2]
        source = f"{{{{ source('snapshots', '{stage}') }}}}" if first else f"{{{{ ref('model_{number - 1:03}') }}}}"
        (folder / f"{name}.sql").write_text(_SQL.format(source=source))
        contracts.append(_CONTRACT.format(name=name))
    (folder / "schema.yml").write_text("".join(contracts))


def timed(program: str, root: Path) -> float:
    """The seconds that a program says it took, in a process of its own."""
    environment = os.environ | {PROJECT: str(root)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return float(done.stdout.split()[-1])


def main(models: int = 500, passes: int = 3) -> None:
    """Print the medians and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        began = time.perf_counter()
        make_project(root, models)
        print(f"{models} models written in {time.perf_counter() - began:.1f} s")
        ours, bare = [], []
        for _ in range(passes):
            ours.append(timed(_LOAD.format(root=str(root)), root))
            bare.append(timed(_BARE.format(models=models), root))
    print(f"compiled and loaded: {statistics.median(ours):.2f} s (each: {', '.join(f'{s:.2f}' for s in ours)})")
    print(f"as many bare assets and checks: {statistics.median(bare):.2f} s")
    print(f"ratio: {statistics.median(ours) / statistics.median(bare):.2f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
