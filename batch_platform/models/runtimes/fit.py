"""Whether the features that a prediction table hands over are what a model reads, told before anything is scored.

Belongs here: that question, put to any runtime. Does not belong here: what a kind of model wants of a column's type,
which its runtime knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import pyarrow as pa

from batch_platform.errors import ModelError
from batch_platform.models.runtimes.base import Runtime


@runtime_checkable
class KnowsTypes(Protocol):
    """A runtime that knows which types its columns must have."""

    def refuse_unfit(self, schema: pa.Schema) -> None:
        """Refuse columns that the model cannot read.

        Raises:
            ModelError: naming the column, the wanted and the found type.
        """


def refuse_unfit(runtime: Runtime, schema: pa.Schema) -> None:
    """Refuse features that a model cannot read.

    Args:
        runtime: the model.
        schema: the columns that it would be given.

    Raises:
        ModelError: a column is missing, or has a type that the model is known not to take.
    """
    refuse_missing(runtime.features, schema)
    if isinstance(runtime, KnowsTypes):
        runtime.refuse_unfit(schema)


def refuse_missing(features: Sequence[str], schema: pa.Schema) -> None:
    """Refuse rows that lack a column.

    Raises:
        ModelError: naming every column that is missing.
    """
    missing = [name for name in features if name not in schema.names]
    if missing:
        raise ModelError(
            f"the model reads {', '.join(missing)}, which the features lack",
            where=f"feature {missing[0]}",
            fix="add the column to the features, or pin a version that does without it",
        )
