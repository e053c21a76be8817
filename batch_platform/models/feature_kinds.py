"""Which columns a model reads as numbers and which as categories: it follows from their Arrow types alone.

Belongs here: kinds, and the refusal of columns that are missing or of another kind. Does not belong here: what
becomes of the values (`encoding.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import pyarrow as pa

from batch_platform.errors import ConfigurationError, ModelError


class FeatureKind(StrEnum):
    """How a column is read; follows from its Arrow type alone."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"


def feature_kind(name: str, data_type: pa.DataType) -> FeatureKind:
    """The kind of a column: strings, booleans and dictionaries are categories, numbers are numbers.

    A column of Arrow's null type counts as numeric: it says nothing either way.

    Raises:
        ConfigurationError: the type is neither, for example a timestamp: a moment in time lies outside the
            training range by definition, so it must be turned into a feature that comes back, such as an hour.
    """
    types = pa.types
    if types.is_dictionary(data_type) or types.is_boolean(data_type):
        return FeatureKind.CATEGORICAL
    if types.is_string(data_type) or types.is_large_string(data_type) or types.is_string_view(data_type):
        return FeatureKind.CATEGORICAL
    if (
        types.is_integer(data_type)
        or types.is_floating(data_type)
        or types.is_decimal(data_type)
        or types.is_null(data_type)
    ):
        return FeatureKind.NUMERIC
    raise ConfigurationError(
        f"a feature cannot have the type {data_type}",
        where=f"feature {name}",
        fix="derive a number or a category from it in SQL, for example an hour of day from a timestamp",
    )


def feature_kinds(schema: pa.Schema, features: Sequence[str]) -> tuple[list[str], list[str]]:
    """The numeric and the categorical columns among `features`, each in their order.

    Raises:
        ConfigurationError: a feature has a type that no model can read.
        ModelError: a feature is not a column of `schema`.
    """
    kinds: dict[str, FeatureKind] = {}
    for name in features:
        if name not in schema.names:
            raise ModelError("a feature is missing from the rows", where=f"feature {name}", fix="add the column")
        kinds[name] = feature_kind(name, schema.field(name).type)
    return (
        [name for name, kind in kinds.items() if kind is FeatureKind.NUMERIC],
        [name for name, kind in kinds.items() if kind is FeatureKind.CATEGORICAL],
    )


def feature_column(table: pa.Table, name: str, kind: FeatureKind) -> pa.ChunkedArray:
    """The column `name` of `table`, checked to be there and to be of `kind` (or entirely null).

    Raises:
        ModelError: the column is missing, or of another kind than the model was trained on.
    """
    if name not in table.column_names:
        raise ModelError("a feature is missing from the rows", where=f"feature {name}", fix="add the column")
    column = table.column(name)
    if pa.types.is_null(column.type):
        return column
    try:
        found: str = feature_kind(name, column.type)
    except ConfigurationError:
        found = "unusable"
    if found != kind:
        raise ModelError(
            f"the column has the type {column.type}, but the model was trained on a {kind} column",
            where=f"feature {name}",
            fix="cast the column, or train a new version",
        )
    return column
