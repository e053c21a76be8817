"""Any model with `predict(rows)`, such as what a trainer of the user's own returned, as a runtime.

Belongs here: that wrapper, and the choice between it and the runtime that a model makes of itself. Does not belong
here: models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from batch_platform.models.artifact import Model
from batch_platform.models.runtimes.base import Raw, Runtime
from batch_platform.models.runtimes.batches import in_batches, with_plain_text


@dataclass(frozen=True)
class PlainRuntime:
    """Calls a model's `predict` with tables of one size.

    Attributes:
        model: the model; its class may set `holds_lock = False` where predicting releases the interpreter's lock.
        batch_rows: rows of a call; the last one is filled up.
    """

    model: Model
    batch_rows: int

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that the model reads."""
        return tuple(self.model.features)

    @property
    def holds_lock(self) -> bool:
        """True unless the model's class says otherwise."""
        return bool(getattr(self.model, "holds_lock", True))

    def score(self, batch: pa.RecordBatch) -> Raw:
        """What the model predicts for the rows."""
        columns = with_plain_text(batch.select(list(self.features)))
        return in_batches(self._predict, columns, self.batch_rows, padded=True)

    def _predict(self, part: pa.RecordBatch) -> Any:
        return self.model.predict(pa.Table.from_batches([part]))


def runtime_of(model: Model, batch_rows: int, device: str) -> Runtime:
    """The runtime that a model makes of itself with `runtime(batch_rows, device)`, else one around its `predict`.

    Args:
        model: the model.
        batch_rows: rows that are computed at a time.
        device: `cpu`, `cuda` or `auto`; a model that only has `predict` runs where it likes.
    """
    made = getattr(model, "runtime", None)
    if callable(made):
        runtime: Runtime = made(batch_rows, device)
        return runtime
    return PlainRuntime(model, batch_rows)
