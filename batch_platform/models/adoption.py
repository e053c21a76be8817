"""Adopting a version that another tool registered in MLflow: it is pinned, and prediction tables may use it.

Belongs here: what is checked and recorded when a version is adopted. Does not belong here: promoting it
(`registry.py`), or loading it (`runtimes/loading.py`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from batch_platform.errors import ModelError, RegistryError
from batch_platform.models.download import downloaded
from batch_platform.models.registry import Registry
from batch_platform.models.registry_address import connected, local_folder, reaching
from batch_platform.models.runtimes.code_in_artifact import code_in, description, flavor_of, refuse_compiled
from batch_platform.models.runtimes.loading import folder_digest
from batch_platform.models.versions import ALLOWS_CODE, DIGEST, FLAVOR, PROMOTED, WINDOW, WINDOW_START, Version
from batch_platform.settings import Settings


def adopt(settings: Settings, name: str, number: str, since: datetime | None, *, allow_code: bool) -> Version:
    """Pin a registered version's files by a digest, and from when it may serve; doing so again changes nothing.

    Args:
        settings: where the registry is.
        name: the model's name there.
        number: the version's number.
        since: when the window that it serves begins, aware; None for the moment it was registered, before which nobody
            could have used it.
        allow_code: whether files that execute code when they are loaded, such as pickles, are acceptable.

    Raises:
        RegistryError: there is no such version, it was adopted otherwise, or it is one of the platform's own.
        ModelError: it is no MLflow model that Python can load, holds compiled Python, or would execute code that was
            not allowed.
    """
    client = connected(settings.registry)
    with reaching(settings.registry):
        found = _version(client, name, number)
    start = since or datetime.fromtimestamp(found.creation_timestamp / 1000, UTC)
    with _files(client, settings.registry, name, number) as folder:
        described = description(folder)
        code = code_in(described)
        if code is not None and not allow_code:
            raise ModelError(
                f"loading {name} version {number} executes code: {code}",
                where=str(folder),
                fix="log it in a format without code, such as skops, ONNX or a booster's own, or adopt it with "
                "--allow-pickle if you trust whoever made it",
            )
        refuse_compiled(folder)
        digest, flavor = folder_digest(folder), flavor_of(described)
    tags = {
        FLAVOR: flavor,
        ALLOWS_CODE: "true" if code is not None else "false",
        WINDOW: start.date().isoformat(),
        WINDOW_START: start.isoformat(),
        DIGEST: digest,
    }
    _refuse_another(found, name, number, tags, since is None)
    if DIGEST not in found.tags:
        with reaching(settings.registry):
            client.set_model_version_tag(name, number, PROMOTED, "false")
            # The digest comes last: it is what makes a version known.
            for key, value in tags.items():
                client.set_model_version_tag(name, number, key, value)
    return Registry(settings).numbered(name, number)


def _version(client: Any, name: str, number: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version(name, number)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise RegistryError(
            f"{name!r} has no version {number} in the registry", fix="check the name and the number"
        ) from error


def _refuse_another(found: Any, name: str, number: str, tags: dict[str, str], any_start: bool) -> None:
    """Refuse to change what a version is pinned to: predictions may rest on it."""
    if DIGEST not in found.tags:
        return
    if FLAVOR not in found.tags:
        raise RegistryError(
            f"{name!r} version {number} was registered by the platform", fix="there is nothing to adopt"
        )
    kept = [DIGEST] if any_start else [DIGEST, WINDOW_START]
    other = next((key for key in kept if found.tags.get(key) != tags[key]), None)
    if other is not None:
        raise RegistryError(
            f"{name!r} version {number} was adopted with {other} {found.tags.get(other)}, not {tags[other]}",
            fix="register the model as a new version and adopt that",
        )


@contextmanager
def _files(client: Any, registry: str, name: str, number: str) -> Iterator[Path]:
    """The version's files, for as long as they are looked at."""
    with reaching(registry):
        address = str(client.get_model_version_download_uri(name, number))
    local = local_folder(address)
    if local is not None:
        yield local
        return
    with tempfile.TemporaryDirectory() as scratch:
        with reaching(registry):
            downloaded(address, Path(scratch), registry)
        yield Path(scratch)
