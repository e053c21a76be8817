"""Where things lie: the project's root, the lake, the model registry, Dagster's home.

Settings come from the environment, so that a laptop, a worker and a cluster differ in nothing else. Each has a
default under the project's `local/` folder. Nothing secret is kept here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from batch_platform.errors import ConfigurationError
from batch_platform.lake.store import Lake

LAKE, LAKE_OPTIONS, REGISTRY, ARTIFACTS, PROJECT, DOLLARS = (
    "BATCH_PLATFORM_LAKE",
    "BATCH_PLATFORM_LAKE_OPTIONS",
    "BATCH_PLATFORM_REGISTRY",
    "BATCH_PLATFORM_ARTIFACTS",
    "BATCH_PLATFORM_PROJECT",
    "BATCH_PLATFORM_DOLLARS_PER_CPU_HOUR",
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
    registry: str = field(repr=False)  # an address may hold a password
    artifacts: str
    dollars_per_cpu_hour: float = field(default=0.04)

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the settings; what is not set lies under `<project>/local/`."""
        project = Path(os.environ.get(PROJECT) or _project_root()).resolve()
        local = project / "local"
        return cls(
            project=project,
            lake=Lake(_lake_root(project), _lake_options()),
            registry=os.environ.get(REGISTRY) or f"sqlite:///{local / 'mlflow' / 'mlflow.db'}",
            artifacts=os.environ.get(ARTIFACTS) or str(local / "mlflow" / "artifacts"),
            dollars_per_cpu_hour=_dollars(),
        )

    @property
    def sql_models(self) -> Path:
        """The folder that holds one folder of SQL models per pipeline."""
        return self.project / "dbt_like_sql" / "models"


def _lake_root(project: Path) -> str:
    """An address as it stands, a folder as an absolute path: every process must mean the same one."""
    root = os.environ.get(LAKE) or "local/lake"
    return root if "://" in root else str(project / root)


def _lake_options() -> dict[str, str]:
    pairs = [pair.strip() for pair in os.environ.get(LAKE_OPTIONS, "").split(",") if pair.strip()]
    wrong = next((pair for pair in pairs if "=" not in pair), None)
    if wrong is not None:
        raise ConfigurationError(f"{LAKE_OPTIONS} has an entry without '='", fix="write name=value,name=value")
    return dict(pair.split("=", 1) for pair in pairs)


def _dollars() -> float:
    text = os.environ.get(DOLLARS, "0.04")
    try:
        return float(text)
    except ValueError as error:
        raise ConfigurationError(f"{DOLLARS} is {text!r}", fix="give a number of dollars such as 0.04") from error


def _project_root() -> Path:
    """The nearest folder at or above the working directory that holds a `dbt_like_sql/`, else the checkout.

    Raises:
        ConfigurationError: there is none: the package is installed as a library and runs outside a project.
    """
    here, checkout = Path.cwd(), Path(__file__).parents[1]
    for folder in (here, *here.parents, checkout):
        if (folder / "dbt_like_sql").is_dir():
            return folder
    raise ConfigurationError(
        "this folder is not inside a project: none above it holds a dbt_like_sql/",
        where=str(here),
        fix=f"change to a project's folder, or set {PROJECT}",
    )
