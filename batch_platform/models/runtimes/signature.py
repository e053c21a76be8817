"""What an MLflow signature says of a model's columns, held against the features before anything is scored.

MLflow judges a column's type itself, by the public function that its own `predict` relies on, so no rule of its is
repeated here.

Belongs here: columns and types. Does not belong here: predicting (`mlflow_pyfunc.py`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from batch_platform.errors import ModelError, first_line


def columns_of(signature: Any, declared: Sequence[str]) -> tuple[str, ...]:
    """The columns that a model reads: those its signature names, else those declared.

    Args:
        signature: MLflow's, or None.
        declared: the feature columns of the prediction table, in order.

    Raises:
        ModelError: neither names any.
    """
    inputs = getattr(signature, "inputs", None)
    named = tuple(inputs.input_names()) if inputs is not None and inputs.has_input_names() else tuple(declared)
    if not named:
        raise ModelError(
            "the model's signature names no columns, so nobody knows what it reads",
            fix="log it with a signature, such as mlflow.models.infer_signature gives",
        )
    return named


def optional_columns(signature: Any) -> frozenset[str]:
    """Columns that the model reads where they exist."""
    inputs = getattr(signature, "inputs", None)
    if inputs is None or not inputs.has_input_names() or inputs.is_tensor_spec():
        return frozenset()
    return frozenset(inputs.optional_input_names())


def refuse_unfit_types(signature: Any, features: Sequence[str], schema: pa.Schema) -> None:
    """Refuse columns of types that MLflow would not accept or safely convert.

    Args:
        signature: MLflow's; None and signatures without columns accept anything.
        features: the columns that the model reads.
        schema: the types they have; other columns are left out of account.

    Raises:
        ModelError: naming the column, the wanted and the found type.
    """
    inputs = getattr(signature, "inputs", None)
    if inputs is None:
        return
    from mlflow.exceptions import MlflowException
    from mlflow.models import validate_schema
    from mlflow.types import Schema

    single = inputs.is_tensor_spec() and not inputs.has_input_names()
    names: list[tuple[list[str], Any]]
    if single:
        names = [(list(features), inputs.inputs[0])]
    elif inputs.has_input_names():
        names = [([spec.name], spec) for spec in inputs.inputs if spec.name in schema.names]
    else:
        names = [([name], spec) for name, spec in zip(features, inputs.inputs, strict=False)]
    for columns, spec in names:
        found = [schema.field(name).type for name in columns]
        example = pa.table({name: _example(kind) for name, kind in zip(columns, found, strict=True)})
        try:
            validate_schema(example.to_pandas(), Schema([spec]))
        # What MLflow raises depends on where a type does not fit; whatever it is, the column is named with it.
        except (MlflowException, TypeError, ValueError) as error:
            wanted = f"{spec.type} {spec.shape}" if inputs.is_tensor_spec() else str(spec.type)
            raise ModelError(
                f"the model wants {wanted}, the column has the type {', '.join(sorted(set(map(str, found))))}: "
                f"{first_line(error)}",
                where=f"feature {', '.join(columns)}",
                fix="cast the column in the features' SQL, or log the model with another signature",
            ) from error


def _example(kind: pa.DataType) -> pa.Array:
    """One typical value of a type: for numbers neither 0 nor 1, which MLflow would let pass as anything."""
    types = pa.types
    value: object
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return pa.array([_example(kind.value_type).to_pylist() * getattr(kind, "list_size", 1)], kind)
    if types.is_boolean(kind):
        value = True
    elif types.is_integer(kind) or types.is_floating(kind):
        return pa.array([2.5 if types.is_floating(kind) else 2], kind)
    elif types.is_decimal(kind):
        value = Decimal(0)
    elif types.is_temporal(kind):
        value = dt.date(2000, 1, 1) if types.is_date(kind) else dt.datetime(2000, 1, 1)
    elif types.is_binary(kind) or types.is_large_binary(kind):
        value = b"x"
    else:
        value = "x"
    return pa.array([value], kind if not types.is_null(kind) else pa.string())
