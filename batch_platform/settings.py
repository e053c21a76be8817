"""Where things lie: the project's root, the lake, the model registry, Dagster's home.

Settings come from the environment, so that a laptop, a worker and a cluster differ in nothing else. Each has a
default under the project's `local/` folder. Nothing secret is kept here.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from batch_platform.errors import ConfigurationError
from batch_platform.lake.store import Lake, credential_in
from batch_platform.resources import LEAST_MEMORY, Resources, parse_bytes

LAKE, LAKE_OPTIONS, SOURCE_OPTIONS, REGISTRY, ARTIFACTS, PROJECT, DOLLARS = (
    "BATCH_PLATFORM_LAKE",
    "BATCH_PLATFORM_LAKE_OPTIONS",
    "BATCH_PLATFORM_SOURCE_OPTIONS",
    "BATCH_PLATFORM_REGISTRY",
    "BATCH_PLATFORM_ARTIFACTS",
    "BATCH_PLATFORM_PROJECT",
    "BATCH_PLATFORM_DOLLARS_PER_CPU_HOUR",
)
SQL_MEMORY, SQL_SPILL, SQL_THREADS = (
    "BATCH_PLATFORM_SQL_MEMORY",
    "BATCH_PLATFORM_SQL_SPILL",
    "BATCH_PLATFORM_SQL_THREADS",
)

_MISREAD = re.compile(r"[?#\x00-\x1f\x7f]|%[0-9a-f]{2}", re.I)
"""What a folder's path must not hold: parts of a URL, as which delta-rs reads it, or what no URL can hold."""


class SettingError(ConfigurationError):
    """A setting of the environment that means nothing: no pipeline is at fault."""


@dataclass(frozen=True)
class Settings:
    """The places one deployment uses.

    Args:
        project: the project's root, against which relative paths in YAML resolve.
        lake: the tables.
        registry: the MLflow tracking and registry address.
        artifacts: where the registry keeps model files.
        dollars_per_cpu_hour: what an hour of a processor costs.
        resources: what SQL may take of the machine.
    """

    project: Path
    lake: Lake
    registry: str = field(repr=False)  # an address may hold a password
    artifacts: str
    dollars_per_cpu_hour: float = field(default=0.04)
    resources: Resources = field(default_factory=Resources)

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the settings; what is not set lies under `<project>/local/`."""
        project = Path(os.environ.get(PROJECT) or _project_root()).resolve()
        local = project / "local"
        return cls(
            project=project,
            lake=Lake(_lake_root(project), _options(LAKE_OPTIONS)),
            registry=os.environ.get(REGISTRY) or f"sqlite:///{local / 'mlflow' / 'mlflow.db'}",
            artifacts=os.environ.get(ARTIFACTS) or str(local / "mlflow" / "artifacts"),
            dollars_per_cpu_hour=_dollars(),
            resources=Resources(_memory(), project / (os.environ.get(SQL_SPILL) or "local/spill"), _threads()),
        )

    @property
    def sql_models(self) -> Path:
        """The folder that holds one folder of SQL models per pipeline."""
        return self.project / "dbt_like_sql" / "models"


def _lake_root(project: Path) -> str:
    """An address as it stands, a folder as an absolute path: every process must mean the same one."""
    root = os.environ.get(LAKE) or "local/lake"
    if "://" in root:
        return root
    folder = str(project / root)
    if found := _MISREAD.search(folder):
        fix = f"choose another folder for the project or by {LAKE}"
        raise SettingError(f"the lake's folder {folder!r} has {found[0]!r} in its path", fix=fix)
    return folder


def source_options() -> dict[str, str]:
    """The options of the object stores that sources are read from; where none are set, those of the lake.

    Raises:
        SettingError: they mean nothing, or hold a credential.
    """
    variable = SOURCE_OPTIONS if os.environ.get(SOURCE_OPTIONS) is not None else LAKE_OPTIONS
    options = _options(variable)
    if secret := credential_in(options):
        raise SettingError(
            f"{variable} has {secret!r}, which holds a credential", fix="set it as an environment variable of its own"
        )
    return options


def _options(variable: str) -> dict[str, str]:
    pairs = [pair.strip() for pair in os.environ.get(variable, "").split(",") if pair.strip()]
    wrong = next((pair for pair in pairs if "=" not in pair), None)
    if wrong is not None:
        raise SettingError(f"{variable} has an entry without '='", fix="write name=value,name=value")
    return dict(pair.split("=", 1) for pair in pairs)


def _dollars() -> float:
    text = os.environ.get(DOLLARS, "0.04")
    try:
        return float(text)
    except ValueError as error:
        raise SettingError(f"{DOLLARS} is {text!r}", fix="give a number of dollars such as 0.04") from error


def _memory() -> int | None:
    text = os.environ.get(SQL_MEMORY, "").strip()
    if not text:
        return None
    found = parse_bytes(text)
    if found is None or found < LEAST_MEMORY:
        raise SettingError(f"{SQL_MEMORY} is {text!r}", fix="give 100MB or more, such as 4GB or 512MiB")
    return found


def _threads() -> int | None:
    text = os.environ.get(SQL_THREADS, "").strip()
    if not text:
        return None
    if not re.fullmatch(r"[1-9]\d{0,3}", text, re.ASCII):
        raise SettingError(f"{SQL_THREADS} is {text!r}", fix="give a number of threads, 1 or more")
    return int(text)


def _project_root() -> Path:
    """The nearest folder at or above the working directory that holds a `dbt_like_sql/`, else the checkout.

    Raises:
        ConfigurationError: there is none: the package is installed as a library and runs outside a project.
    """
    here, checkout = Path.cwd(), Path(__file__).parents[1]
    for folder in (here, *here.parents, checkout):
        if (folder / "dbt_like_sql").is_dir():
            return folder
    raise SettingError(
        "this folder is not inside a project: none above it holds a dbt_like_sql/",
        where=str(here),
        fix=f"change to a project's folder, or set {PROJECT}",
    )
