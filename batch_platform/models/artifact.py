"""A model as files: tensors as safetensors, everything else as JSON, and one digest over both. Nothing is pickled.

Belongs here: the interface of a model, its digest, saving and loading. Does not belong here: versions and
promotion (`registry.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
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
    """A digest over tensors and configuration: equal for equal models, whatever file holds them."""
    digest = hashlib.sha256(_config_text(model).encode())
    for name in sorted(model.tensors):
        tensor = np.asarray(model.tensors[name], order="C")
        digest.update(f"\n{name} {tensor.dtype.str} {tensor.shape}\n".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()[:32]


def save(model: Model, folder: Path) -> None:
    """Write the model's two files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: np.asarray(tensor, order="C") for name, tensor in model.tensors.items()}
    save_file(tensors, folder / TENSORS)
    (folder / CONFIG).write_text(_config_text(model), "utf-8")


def load(folder: Path, expected_digest: str | None) -> Model:
    """Read a model back and verify it against the digest it was registered with, where there is one.

    Raises:
        ModelError: files are missing or damaged, or the digest is not the expected one.
    """
    try:
        config = dict(json.loads((folder / CONFIG).read_text("utf-8")))
        restore = resolve(str(config.pop("runtime", ""))).from_parts
        tensors = load_file(folder / TENSORS)
    except (OSError, ValueError, TypeError, AttributeError, SafetensorError, ConfigurationError) as error:
        raise ModelError(
            f"the artifact cannot be read: {first_line(error)}", where=str(folder), fix="restore it, or train again"
        ) from error
    model: Model = restore(tensors, config)
    found = digest_of(model)
    if expected_digest is not None and found != expected_digest:
        raise ModelError(
            f"the artifact's digest is {found[:12]}, the registry says {expected_digest[:12]}",
            where=str(folder),
            fix="restore the artifact; it was changed after registration",
        )
    return model


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


def _config_text(model: Model) -> str:
    runtime = f"{type(model).__module__}:{type(model).__qualname__}"
    return json.dumps({**model.config, "runtime": runtime}, sort_keys=True, indent=1)
