"""Where things lie: the project's root, the lake, the model registry, Dagster's home.

Settings come from the environment, so that a laptop, a worker and a cluster differ in nothing else. Each has a
default under the project's `local/` folder. Nothing secret is kept here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from batch_platform.lake.store import Lake

LAKE, LAKE_OPTIONS, REGISTRY, ARTIFACTS, PROJECT = (
    "BATCH_PLATFORM_LAKE",
    "BATCH_PLATFORM_LAKE_OPTIONS",
    "BATCH_PLATFORM_REGISTRY",
    "BATCH_PLATFORM_ARTIFACTS",
    "BATCH_PLATFORM_PROJECT",
)


@dataclass(frozen=True)
class Settings:
    """The places one deployment uses.

    Args:
        project: the project's root, against which relative paths in YAML resolve.
        lake: the tables.
        registry: the MLflow tracking and registry address.
        artifacts: where the registry keeps model files.
    """

    project: Path
    lake: Lake
    registry: str
    artifacts: str
    dollars_per_cpu_hour: float = field(default=0.04)

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the settings; what is not set lies under `<project>/local/`."""
        project = Path(os.environ.get(PROJECT) or _project_root()).resolve()
        local = project / "local"
        options = dict(pair.split("=", 1) for pair in os.environ.get(LAKE_OPTIONS, "").split(",") if "=" in pair)
        return cls(
            project=project,
            lake=Lake(os.environ.get(LAKE) or str(local / "lake"), options),
            registry=os.environ.get(REGISTRY) or f"sqlite:///{local / 'mlflow' / 'mlflow.db'}",
            artifacts=os.environ.get(ARTIFACTS) or str(local / "mlflow" / "artifacts"),
            dollars_per_cpu_hour=float(os.environ.get("BATCH_PLATFORM_DOLLARS_PER_CPU_HOUR", "0.04")),
        )

    @property
    def sql_models(self) -> Path:
        """The folder that holds one folder of SQL models per pipeline."""
        return self.project / "dbt_like_sql" / "models"


def _project_root() -> Path:
    """The nearest folder at or above the working directory that holds a `dbt_like_sql/`, else the checkout."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dbt_like_sql").is_dir():
            return folder
    return Path(__file__).parents[1]
