"""The files of a model version on this machine: where they lie, or a verified copy in the project's cache.

Belongs here: the cache and its verification. Does not belong here: which version is wanted (`registry.py`), or
loading it (`runtimes/loading.py`).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from batch_platform.errors import BatchPlatformError, ModelError, first_line
from batch_platform.models import artifact
from batch_platform.models.packaging import DATA
from batch_platform.models.registry_address import local_folder
from batch_platform.models.runtimes.loading import ModelSource, folder_digest
from batch_platform.models.versions import BUILT_IN, Version

CACHE = Path("local") / "cache" / "models"
"""Where copies lie below the project: a folder for each digest."""


def source_of(version: Version, address: str, project: Path, fetch: Callable[[str, Path], None]) -> ModelSource:
    """A version as workers load it.

    Args:
        version: the version.
        address: where the registry says its files lie.
        project: the project's root.
        fetch: downloads an address into an empty folder.

    Raises:
        ModelError: what was downloaded is not what was registered, or the disk refuses it.
    """
    inside = f"data/{DATA}" if version.flavor == BUILT_IN else ""
    local = local_folder(address)
    folder = local / inside if local else _cached(version, f"{address}/{inside}".rstrip("/"), project / CACHE, fetch)
    return ModelSource(version.name, version.number, version.digest, folder, version.flavor, version.allows_code)


def _cached(version: Version, address: str, cache: Path, fetch: Callable[[str, Path], None]) -> Path:
    target = cache / version.digest
    if _is_whole(target, version):
        return target
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".") as scratch:
            fetched = Path(scratch) / "files"
            fetched.mkdir()
            fetch(address, fetched)
            _verify(fetched, version)
            if target.exists() and not _is_whole(target, version):
                target.replace(Path(scratch) / "damaged")
            try:
                fetched.replace(target)
            except OSError:
                # Another process was quicker; a folder that is there already cannot be replaced.
                if not _is_whole(target, version):
                    raise
    except OSError as error:
        raise ModelError(
            f"the model cannot be copied to this machine: {first_line(error)}",
            where=str(cache),
            fix="free space there, or remove the folder",
        ) from error
    return target


def _is_whole(folder: Path, version: Version) -> bool:
    if not folder.is_dir():
        return False
    try:
        _verify(folder, version)
    except BatchPlatformError:
        return False
    return True


def _verify(folder: Path, version: Version) -> None:
    if version.flavor == BUILT_IN:
        artifact.read_parts(folder, version.digest)
    elif (found := folder_digest(folder)) != version.digest:
        raise artifact.changed_since_registered(folder, found, version.digest)


def downloaded(address: str, target: Path, registry: str) -> None:
    """Fetch what lies at an artifact address into an empty folder, through MLflow.

    Args:
        address: of a folder.
        target: the empty folder.
        registry: the registry's address, since artifacts may have to be fetched through it.
    """
    import mlflow

    found = Path(mlflow.artifacts.download_artifacts(address, dst_path=str(target), tracking_uri=registry))
    if found != target:  # MLflow may put the folder inside the one that it was given
        for path in found.iterdir():
            shutil.move(path, target / path.name)
        found.rmdir()
