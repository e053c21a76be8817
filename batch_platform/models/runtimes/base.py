"""How a registered model scores record batches: the one interface that every runtime fulfils.

Belongs here: the protocol and the size of a batch. Does not belong here: any implementation, nor what is declared
about the scores (`scores.py`). Imports neither torch nor MLflow.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import pyarrow as pa

BATCH_ROWS = 4096
"""Rows that a model computes at a time unless told otherwise. Kernels round differently at other sizes, so runtimes
whose bits could depend on it pad to this size."""

Raw: TypeAlias = Any
"""What a model gives for some rows: a numpy array (rows,) or (rows, k), a mapping of names to arrays or lists, or a
pandas data frame or series."""


class Runtime(Protocol):
    """A model ready to score, shared by the worker threads of a process.

    A row's scores depend neither on the rows beside it, nor on how many there are, nor on its place among them.
    """

    @property
    def features(self) -> tuple[str, ...]:
        """The columns it reads."""

    @property
    def holds_lock(self) -> bool:
        """Whether predicting keeps the interpreter's lock, so that worker processes suit better than threads."""

    def score(self, batch: pa.RecordBatch) -> Raw:
        """What the model gives for the rows, one entry a row; the result is the caller's.

        Args:
            batch: any number of rows with at least the columns `features`, others are ignored.

        Raises:
            ModelError: a feature is missing or has another type than the model was trained on.
        """
