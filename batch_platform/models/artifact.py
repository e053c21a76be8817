"""A model as files: tensors as safetensors, everything else as JSON, and one digest over both. Nothing is pickled.

Belongs here: the interface of a model, its digest, saving and loading. Does not belong here: versions and
promotion (`registry.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from batch_platform.errors import ConfigurationError, ModelError, first_line

TENSORS, CONFIG = "model.safetensors", "model.json"


class Model(Protocol):
    """What a trainer returns and a scorer uses.

    A class that fulfils it also has `from_parts(tensors, config)`, which restores the model exactly.
    """

    @property
    def features(self) -> tuple[str, ...]:
        """The columns the model reads, in order."""

    @property
    def tensors(self) -> Mapping[str, npt.NDArray[Any]]:
        """Every number of the model, by name."""

    @property
    def config(self) -> Mapping[str, object]:
        """Everything else, as JSON values."""

    def predict(self, batch: pa.RecordBatch | pa.Table) -> npt.NDArray[np.floating[Any]]:
        """One score per row, shape (rows,); a row's score does not depend on the rows beside it."""


def digest_of(model: Model) -> str:
    """A digest over tensors and configuration: equal for equal models, whatever file holds them.

    Raises:
        ModelError: the configuration holds something other than JSON values.
    """
    return _digest(_config_text(_described(model)), model.tensors)


def _digest(config: str, tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    digest = hashlib.sha256(config.encode())
    for name in sorted(tensors):
        tensor = np.asarray(tensors[name], order="C")
        digest.update(f"\n{name} {tensor.dtype.str} {tensor.shape}\n".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()[:32]


def save(model: Model, folder: Path) -> None:
    """Write the model's two files into a folder.

    Raises:
        ModelError: the disk refuses, or the model has tensors or a configuration that the files cannot hold.
    """
    text = _config_text(_described(model))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: np.asarray(tensor, order="C") for name, tensor in model.tensors.items()}
        save_file(tensors, folder / TENSORS)
        (folder / CONFIG).write_text(text, "utf-8")
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        raise ModelError(
            f"the artifact cannot be written: {first_line(error)}",
            where=str(folder),
            fix="free space there, or correct the model's tensors",
        ) from error


def load(folder: Path, expected_digest: str | None) -> Model:
    """Read a model back and verify it against the digest it was registered with, where there is one.

    The digest is verified before anything that the files name is imported or called.

    Raises:
        ModelError: files are missing or damaged, the digest is not the expected one, or the model's class refuses.
    """
    return restored(folder, read_parts(folder, expected_digest))


@dataclass(frozen=True)
class Parts:
    """What a model's two files hold.

    Attributes:
        tensors: every number, by name.
        config: everything else, as the model gave it.
        runtime: the class that restores the model, as `package.module:name`.
    """

    tensors: Mapping[str, npt.NDArray[Any]]
    config: Mapping[str, Any]
    runtime: str


def read_parts(folder: Path, expected_digest: str | None) -> Parts:
    """Read a model's two files and verify their digest; nothing that they name is imported.

    Raises:
        ModelError: files are missing or damaged, or the digest is not the expected one.
    """
    try:
        config = dict(json.loads((folder / CONFIG).read_text("utf-8")))
        tensors = load_file(folder / TENSORS)
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise _unreadable(folder, error) from error
    found = _digest(_config_text(config), tensors)
    if expected_digest is not None and found != expected_digest:
        raise changed_since_registered(folder, found, expected_digest)
    runtime = str(config.pop("runtime", ""))
    return Parts(tensors, config, runtime)


def restored(folder: Path, parts: Parts) -> Model:
    """The model that the class named by its parts makes of them.

    Raises:
        ModelError: the class refuses.
        ConfigurationError: there is no such class.
    """
    try:
        model: Model = resolve(parts.runtime).from_parts(parts.tensors, parts.config)
    except ModelError:
        raise
    except Exception as error:  # whatever a class of the user's own may raise
        raise _unreadable(folder, error) from error
    return model


def changed_since_registered(folder: Path, found: str, expected: str) -> ModelError:
    """The refusal of an artifact that is not the one that was registered."""
    return ModelError(
        f"the artifact's digest is {found[:12]}, the registry says {expected[:12]}",
        where=str(folder),
        fix="restore the artifact; it was changed after registration",
    )


def resolve(reference: str) -> Any:
    """The object that `package.module:name` names.

    Raises:
        ConfigurationError: there is none.
    """
    module, _, name = reference.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"{reference!r} cannot be imported: {first_line(error)}", fix="write it as package.module:name"
        ) from error


def _described(model: Model) -> dict[str, object]:
    return {**model.config, "runtime": f"{type(model).__module__}:{type(model).__qualname__}"}


def _config_text(config: Mapping[str, object]) -> str:
    try:
        return json.dumps(config, sort_keys=True, indent=1)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"the model's config does not hold JSON values alone: {first_line(error)}", fix="correct the model's class"
        ) from error


def _unreadable(folder: Path, error: Exception) -> ModelError:
    return ModelError(
        f"the artifact cannot be read: {first_line(error)}", where=str(folder), fix="restore it, or train again"
    )
