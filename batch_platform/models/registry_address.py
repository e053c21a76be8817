"""Reaching the registry: its address, the addresses of its artifacts, and what is said when it fails.

Belongs here: what addresses mean and which errors they cause. Does not belong here: versions (`registry.py`).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from batch_platform.errors import RegistryError, first_line

if TYPE_CHECKING:
    from mlflow import MlflowClient

_FULL = ("no space left", "disk is full", "quota exceeded")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


@contextmanager
def reaching(address: str) -> Iterator[None]:
    """Turn whatever MLflow or its database raise into one line, without the address's credentials.

    Raises:
        RegistryError: transient if the registry was out of reach; a disk that is full is not a matter of the address.
    """
    try:
        yield
    except _failures() as error:
        place = shown(address)
        reason = first_line(_without_secrets(str(error), address) or type(error).__name__)
        full = any(sign in str(error).lower() for sign in _FULL)
        raise RegistryError(
            f"the model registry fails: {reason}",
            where=place,
            fix="free space where the registry and its artifacts lie" if full else "check BATCH_PLATFORM_REGISTRY",
            transient=_may_pass(error) and not full,
        ) from None


def _failures() -> tuple[type[Exception], ...]:
    """What reaching a registry may raise; asked only once something is raised, so that MLflow need not be imported."""
    from sqlalchemy.exc import SQLAlchemyError

    known: tuple[type[Exception], ...] = (SQLAlchemyError, OSError, ImportError, ValueError)
    # Without the module nobody can have raised its exception.
    mlflow = sys.modules.get("mlflow.exceptions")
    return known if mlflow is None else (mlflow.MlflowException, *known)


def shown(address: str) -> str:
    """An address as it may be told: scheme, host and port, never a user, a password or a query; files as they are."""
    scheme, separator, rest = address.partition("://")
    if not separator or scheme.startswith("sqlite"):
        return address.partition("?")[0]
    host, _, port = rest.partition("?")[0].rpartition("@")[2].partition("/")[0].partition(":")
    return f"{scheme}://{host}:{port}" if port.isdecimal() else f"{scheme}://{host}"


def _without_secrets(text: str, address: str) -> str:
    """A text in which every part of the address that may be a secret is masked."""
    if address.startswith("sqlite"):
        return text
    text = text.replace(address, shown(address))
    beyond_scheme, _, query = address.partition("://")[2].partition("?")
    user, _, host = beyond_scheme.rpartition("@")
    # Without a host, what follows the first colon may be a password that was meant to come before an "@".
    parts = [*user.split(":"), host.partition("/")[0].partition(":")[2]]
    parts += [pair.partition("=")[2] for pair in query.split("&")]
    for part in sorted({*parts, *map(unquote, parts)}, key=len, reverse=True):
        if part and not part.isdecimal():
            text = text.replace(part, "***")
    return text


@contextmanager
def already_there_is_fine() -> Iterator[None]:
    """Let a creation fail because another process has just created the same."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def prepare_mlflow() -> None:
    """Settle how MLflow behaves in this process, before anything imports it."""
    # A registry that is down should be reported within seconds; runs are retried by their own policy.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")


def connected(address: str) -> MlflowClient:
    """A client of the registry at this address; makes the folder of a database file.

    Raises:
        RegistryError: it is out of reach, or the address means none.
    """
    prepare_mlflow()
    with reaching(address):
        import mlflow

        if address.startswith("sqlite:///"):
            Path(address.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        _connect_once(address)
        return mlflow.MlflowClient(tracking_uri=address, registry_uri=address)


def _connect_once(address: str) -> None:
    """Reach a database once: MLflow itself would go on trying for minutes to open one that is not there."""
    import sqlalchemy
    from mlflow.store.db.db_types import DATABASE_ENGINES

    if address.partition(":")[0].partition("+")[0] in DATABASE_ENGINES:
        engine = sqlalchemy.create_engine(address, poolclass=sqlalchemy.pool.NullPool)
        engine.connect().close()


def artifact_location(artifacts: str, name: str) -> str:
    """Where the artifacts of one model lie, as a URI."""
    # Written in full: a folder may have spaces, % or # in its name.
    return f"{artifacts}/{name}" if _SCHEME.match(artifacts) else (Path(artifacts).resolve() / name).as_uri()


def local_folder(source: str) -> Path | None:
    """The folder that an artifact address means on this machine, None if it lies elsewhere."""
    if source.startswith("file:"):
        return Path(url2pathname(urlsplit(source).path))
    return None if _SCHEME.match(source) else Path(source)


def _may_pass(error: Exception) -> bool:
    """Whether the registry was out of reach, rather than that it refused."""
    from sqlalchemy.exc import OperationalError

    text = str(error)
    return (
        isinstance(error, OperationalError | ConnectionError)
        or "Max retries exceeded" in text
        or "Read timed out" in text
    )
