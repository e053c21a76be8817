"""Any MLflow python_function as a runtime: it predicts what MLflow itself predicts for the same rows.

Rows go through MLflow's own `predict`, so its signature is enforced and its flavours do the work. What is added: one
fixed batch where a flavour's bits depend on the batch, and one thread.

Belongs here: that, and what is known of each flavour. Does not belong here: whether a folder may be loaded
(`loading.py`), or the signature (`signature.py`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from batch_platform.errors import ModelError, first_line
from batch_platform.models.runtimes.base import Raw
from batch_platform.models.runtimes.batches import in_batches, with_plain_text
from batch_platform.models.runtimes.signature import columns_of, optional_columns, refuse_unfit_types
from batch_platform.models.runtimes.single_thread import one_thread, settle_model

BATCH_FREE = frozenset({"xgboost", "lightgbm", "catboost"})
"""Flavours that walk trees row by row: a row's bits do not depend on the batch, so no batch is filled up."""

FREE_BATCH_ROWS = 65_536
"""Rows of a call where the batch does not matter: MLflow's own work for each call is then small beside the model's."""

LOCK_FREE = frozenset({"onnx", "xgboost", "lightgbm", "catboost"})
"""Flavours that predict outside the interpreter, with its lock released."""


@dataclass(frozen=True)
class MlflowRuntime:
    """A loaded python_function.

    Attributes:
        function: MLflow's loaded model.
        flavor: the flavour beneath it, such as `sklearn`.
        batch_rows: rows of a batch, where the flavour's bits depend on it.
        columns: the columns it reads, all of them declared features or required.
        optional: those of them that it can do without.
    """

    function: Any
    flavor: str
    batch_rows: int
    columns: tuple[str, ...]
    optional: frozenset[str] = field(default=frozenset())

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that the model must be given."""
        return tuple(name for name in self.columns if name not in self.optional)

    @property
    def holds_lock(self) -> bool:
        """Whether the flavour predicts inside the interpreter."""
        return self.flavor not in LOCK_FREE

    def refuse_unfit(self, schema: pa.Schema) -> None:
        """Refuse columns whose types MLflow would refuse, too.

        Raises:
            ModelError: naming the column, the wanted and the found type.
        """
        refuse_unfit_types(self.function.metadata.signature, self.columns, schema)

    def score(self, batch: pa.RecordBatch) -> Raw:
        """What MLflow predicts for the rows, in the model's own precision.

        Raises:
            Exception: whatever MLflow and the model raise for rows that they do not take.
        """
        rows = with_plain_text(batch.select([name for name in self.columns if name in batch.schema.names]))
        free = self.flavor in BATCH_FREE
        with one_thread(self.flavor):
            return in_batches(
                self._predict, rows, max(self.batch_rows, FREE_BATCH_ROWS) if free else self.batch_rows, padded=not free
            )

    def _predict(self, part: pa.RecordBatch) -> Any:
        given = self.function.predict(part.to_pandas())
        return _unflattened(given, part.num_rows) if self.flavor == "onnx" else given


def load_mlflow(folder: Path, flavor: str, batch_rows: int, device: str, declared: Sequence[str] = ()) -> MlflowRuntime:
    """Load the model in an MLflow folder, which may execute code: see `code_in_artifact.py`.

    Args:
        folder: the folder that holds `MLmodel`.
        flavor: the flavour beneath python_function.
        batch_rows: rows of a batch.
        device: `cpu`, `cuda` or `auto`; only ONNX listens to it.
        declared: the feature columns: all that is read, for a model whose signature names none; else the only ones that
            its optional inputs may be filled from.

    Raises:
        ModelError: MLflow cannot load it, or nobody knows what columns it reads.
    """
    import mlflow.pyfunc

    try:
        function = mlflow.pyfunc.load_model(str(folder), suppress_warnings=True)
    except Exception as error:  # whatever a flavour may raise, missing packages among it
        raise ModelError(
            f"MLflow cannot load the model: {type(error).__name__}: {first_line(error)}",
            where=str(folder),
            fix="install what its requirements.txt names, in the versions it names",
        ) from error
    signature = function.metadata.signature
    if flavor == "onnx":
        _settle_session(function, folder, device)
    else:
        settle_model(_raw(function), flavor)
    optional = optional_columns(signature)
    # A key or carried column that happens to bear an optional input's name is no feature.
    columns = tuple(name for name in columns_of(signature, declared) if name not in optional or name in declared)
    return MlflowRuntime(function, flavor, batch_rows, columns, optional)


def _raw(function: Any) -> Any:
    try:
        return function.get_raw_model()
    except Exception:  # most flavours beyond the common ones have none, which MLflow says in many ways
        return None


def _settle_session(function: Any, folder: Path, device: str) -> None:
    """Give an ONNX model a session of one thread on the configured device; MLflow's own takes all processors."""
    import onnxruntime

    wrapper, old = function._model_impl, function.get_raw_model()
    options = old.get_session_options()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    providers = ["CPUExecutionProvider"] if device == "cpu" else old.get_providers()
    place = os.fspath(folder / function.metadata.flavors["onnx"]["data"])
    wrapper.rt = onnxruntime.InferenceSession(place, providers=providers, sess_options=options)


def _unflattened(given: Any, rows: int) -> Any:
    """An ONNX model's frame with outputs of several values a row as they were: MLflow flattens them in C order."""
    if not hasattr(given, "columns") or len(given) == rows or rows == 0 or len(given) % rows:
        return given
    return {name: given[name].to_numpy().reshape(rows, -1) for name in given.columns}
