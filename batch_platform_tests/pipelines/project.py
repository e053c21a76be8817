"""Temporary projects: a folder with pipelines, their SQL and their data, loaded as Dagster loads the real one.

Belongs here: making, loading and running a project in a folder of its own. What a pipeline says stands beside this
file, in one folder per pipeline.
"""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import yaml
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from batch_platform.automation.catch_up import Wanted, materialize, missing
from batch_platform.automation.reporting import asset_key
from batch_platform.settings import Settings

HERE = Path(__file__).parent
FIRST = "2025-01-05"
_PACKAGE = "temporary_project"


@dataclass(frozen=True)
class Project:
    """A project in `root` whose pipelines lie under `root/temporary_project/defs`."""

    root: Path

    @classmethod
    def create(cls, root: Path) -> Project:
        """An empty project."""
        (root / _PACKAGE / "defs").mkdir(parents=True)
        (root / "dbt_like_sql" / "models").mkdir(parents=True)
        (root / "dg.toml").write_text(f'directory_type = "project"\n[project]\nroot_module = "{_PACKAGE}"\n')
        (root / "location.py").write_text(
            "from pathlib import Path\nimport dagster as dg\n"
            "defs = dg.ComponentTree.for_project(Path(__file__).parent).build_defs()\n"
        )
        return cls(root)

    def defs(self, pipeline: str) -> Path:
        """A pipeline's `defs.yaml`."""
        return self.root / _PACKAGE / "defs" / pipeline / "defs.yaml"

    def sql(self, pipeline: str) -> Path:
        """The folder of a pipeline's SQL models."""
        return self.root / "dbt_like_sql" / "models" / pipeline

    def add(self, pipeline: str) -> list[Path]:
        """Add the pipeline that stands beside this file; the files that this creates."""
        self.defs(pipeline).parent.mkdir()
        self.sql(pipeline).mkdir()
        added = [self.defs(pipeline)]
        shutil.copy(HERE / pipeline / "defs.yaml", self.defs(pipeline))
        for path in sorted((HERE / pipeline).iterdir()):
            if path.suffix in (".sql", ".yml"):
                added.append(self.sql(pipeline) / path.name)
                shutil.copy(path, added[-1])
        return added

    def add_project(self, pipeline: str) -> None:
        """Add the pipeline whose folder beside this file is a whole SQL project; it becomes this project's."""
        sql = self.root / "dbt_like_sql"
        shutil.rmtree(sql)
        shutil.copytree(HERE / pipeline, sql, ignore=shutil.ignore_patterns("defs.yaml", "*.py", "__pycache__"))
        self.defs(pipeline).parent.mkdir()
        shutil.copy(HERE / pipeline / "defs.yaml", self.defs(pipeline))

    def documents(self, pipeline: str) -> list[dict[str, object]]:
        """The YAML documents of a pipeline."""
        return list(yaml.safe_load_all(self.defs(pipeline).read_text()))

    def declare(self, pipeline: str, documents: Sequence[Mapping[str, object]]) -> None:
        """Write a pipeline's YAML documents."""
        self.defs(pipeline).parent.mkdir(exist_ok=True)
        self.defs(pipeline).write_text(yaml.safe_dump_all(list(documents), sort_keys=False))

    @contextmanager
    def tree(self) -> Iterator[dg.ComponentTree]:
        """The project's components, read anew."""
        sys.path.insert(0, str(self.root))
        try:
            yield dg.ComponentTree.for_project(self.root)
        finally:
            sys.path.remove(str(self.root))
            for name in [name for name in sys.modules if name.split(".")[0] == _PACKAGE]:
                del sys.modules[name]
            importlib.invalidate_caches()

    def definitions(self) -> dg.Definitions:
        """The project's definitions, read anew."""
        with self.tree() as tree:
            return tree.build_defs()


def execute(
    definitions: dg.Definitions, instance: dg.DagsterInstance, tables: Sequence[str], first: str, last: str
) -> dg.ExecuteInProcessResult:
    """One run of several steps over the partitions from `first` to `last`, as a backfill launches it."""
    return definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[asset_key(table) for table in tables],
        tags={ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )


def run(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    wanted: Wanted,
    settings: Settings,
    *,
    again: bool = False,
) -> list[str]:
    """Materialize what is missing, or everything `again`; the keys that were run."""
    keys = list(wanted.keys) if again else missing(wanted, settings, instance)
    materialize(definitions, instance, wanted, keys, advance=lambda _: None)
    return keys


def write_orders(root: Path, days: Sequence[str], rows: int = 60) -> None:
    """The shop's exports for these days: two parts of orders, and a month's folder of outcomes."""
    for day in days:
        (root / "data" / "orders" / day).mkdir(parents=True, exist_ok=True)
        month = root / "data" / "repeat_orders" / day[:4] / day[5:7]
        month.mkdir(parents=True, exist_ok=True)
        number = int(day.replace("-", "")) * 1000
        orders, outcomes = [], []
        for index in range(rows):
            channel, amount = ("web", "app", "store")[index % 3], f"{(index * 37 + number) % 200}.50"
            orders.append(f"{number + index},customer {index % 7},{channel},{amount},{1 + index % 4}")
            outcomes.append(f"{number + index},{channel},{'true' if (index * 7 + number // 1000) % 5 < 2 else 'false'}")
        header = "order_id,customer,channel,amount_euros,items_count"
        half = rows // 2
        for part, lines in enumerate((orders[:half], orders[half:])):
            text = "\n".join([header, *lines]) + "\n"
            (root / "data" / "orders" / day / f"part-{part}.csv").write_text(text)
        (month / f"{day}.csv").write_text("\n".join(["order_id,channel,ordered_again", *outcomes]) + "\n")
