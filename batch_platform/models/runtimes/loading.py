"""Loading a model version for scoring: once in each process, and only if its files are those that were pinned.

Belongs here: what is sent to workers in a model's place, the verification, the cache. Does not belong here: finding
the version and its files (`registry.py`).
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from batch_platform.errors import BatchPlatformError, ModelError, first_line
from batch_platform.models import artifact
from batch_platform.models.runtimes.base import Runtime
from batch_platform.models.runtimes.code_in_artifact import code_in, description
from batch_platform.models.runtimes.device import refuse_unknown_device
from batch_platform.models.runtimes.plain import runtime_of
from batch_platform.models.versions import BUILT_IN

KEPT = 16
"""Models that stay loaded in a process: a backfill passes from one monthly version to the next."""

_BLOCK = 1 << 20
_REGISTERED_AS = "registered_model_meta"
"""A file that MLflow may add to a folder it was asked for by name; it says that name and decides nothing."""


@dataclass(frozen=True)
class ModelSource:
    """Where a worker finds a pinned model version; small, holds no secret and can be sent anywhere.

    Attributes:
        name: the model's name.
        number: the version's number.
        digest: what its files must have: `artifact.digest_of` for the platform's own format, else `folder_digest`.
        folder: its files on this machine.
        flavor: `batch_platform`, or the flavour of an MLflow model.
        allows_code: whether somebody agreed to files that execute code when they are loaded.
    """

    name: str
    number: str
    digest: str
    folder: Path
    flavor: str = BUILT_IN
    allows_code: bool = False


_Key = tuple[ModelSource, int, str, tuple[str, ...]]
_loaded: dict[_Key, Runtime] = {}
_loading = threading.RLock()


def load_runtime(source: ModelSource, batch_rows: int, device: str, columns: Sequence[str] = ()) -> Runtime:
    """The model, ready to score; loaded once in a process however many threads ask.

    Args:
        source: the version.
        batch_rows: rows that are computed at a time.
        device: `cpu`, `cuda` or `auto`.
        columns: the feature columns of the prediction table: what models read that do not say it, and all that optional
            inputs of others are filled from.

    Raises:
        ModelError: files are missing, damaged or not those that were pinned, would execute code that nobody agreed
            to, or the model refuses to be loaded.
        ConfigurationError: the device is unknown or not there.
    """
    refuse_unknown_device(device)
    key = (source, batch_rows, device, tuple(columns))
    found = _loaded.get(key)
    if found is not None:
        return found
    with _loading:
        found = _loaded.get(key)
        if found is None:
            found = _load(source, batch_rows, device, columns)
            while len(_loaded) >= KEPT:
                del _loaded[next(iter(_loaded))]
            _loaded[key] = found
        return found


def _load(source: ModelSource, batch_rows: int, device: str, columns: Sequence[str]) -> Runtime:
    if source.flavor == BUILT_IN:
        return runtime_of(artifact.load(source.folder, source.digest), batch_rows, device)
    found = folder_digest(source.folder)
    if found != source.digest:
        raise artifact.changed_since_registered(source.folder, found, source.digest)
    code = code_in(description(source.folder))
    if code is not None and not source.allows_code:
        raise ModelError(
            f"loading {source.name} version {source.number} would execute code: {code}",
            where=str(source.folder),
            fix="adopt it with --allow-pickle if you trust whoever made it",
        )
    from batch_platform.models.runtimes.mlflow_pyfunc import load_mlflow

    if any(source.folder.rglob("*.py")):
        # It may import them whenever it predicts: compiled files beside them would change the folder's digest for good.
        sys.dont_write_bytecode = True
    with _code_is_settled():
        try:
            return load_mlflow(source.folder, source.flavor, batch_rows, device, columns)
        except BatchPlatformError as error:
            place = f"{source.name} version {source.number}"
            raise type(error)(error.what, where=f"{place}, {error.where}".rstrip(", "), fix=error.fix) from error


@contextmanager
def _code_is_settled() -> Iterator[None]:
    """Lift MLflow's own refusal of pickles, since ours has been passed; keep imports from adding files to a folder.

    Both are the process's own: loading is one at a time.
    """
    name = "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"
    before, bytecode = os.environ.get(name), sys.dont_write_bytecode
    os.environ[name], sys.dont_write_bytecode = "true", True
    try:
        yield
    finally:
        sys.dont_write_bytecode = bytecode
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def folder_digest(folder: Path) -> str:
    """A digest over every file below a folder: relative paths in order, sizes and bytes.

    Raises:
        ModelError: a file cannot be read, or is a link, whose target no digest of the folder could pin.
    """
    digest = hashlib.sha256()
    try:
        found = sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*"))
        links = [name for name, path in found if path.is_symlink()]
        if links:
            raise ModelError("a model's folder must not hold links", where=f"{folder}/{links[0]}", fix="copy the file")
        files = [(name, path) for name, path in found if path.is_file() and name != _REGISTERED_AS]
        if not files:
            raise ModelError("the model's folder is missing or empty", where=str(folder), fix="restore the artifact")
        for name, path in files:
            digest.update(f"{name}\0{path.stat().st_size}\0".encode())
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
    except OSError as error:
        raise ModelError(
            f"the artifact cannot be read: {first_line(error)}", where=str(folder), fix="restore it"
        ) from error
    return digest.hexdigest()[:32]
