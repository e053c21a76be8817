"""A column is a number or a category by its type alone; what can be neither is refused."""

from __future__ import annotations

import pyarrow as pa
import pytest

from batch_platform.errors import ConfigurationError, ModelError
from batch_platform.models.feature_kinds import FeatureKind, feature_kind, feature_kinds


def test_kinds_follow_from_types_alone() -> None:
    schema = pa.schema({"n": pa.int32(), "d": pa.decimal128(5, 2), "s": pa.string(), "b": pa.bool_(), "e": pa.null()})
    assert feature_kinds(schema, ["s", "n", "b", "d", "e"]) == (["n", "d", "e"], ["s", "b"])
    assert feature_kind("c", pa.dictionary(pa.int8(), pa.int64())) is FeatureKind.CATEGORICAL
    with pytest.raises(ModelError, match="absent"):
        feature_kinds(schema, ["n", "absent"])


@pytest.mark.parametrize("data_type", [pa.timestamp("us", "UTC"), pa.date32(), pa.list_(pa.int8()), pa.binary()])
def test_types_that_no_network_can_read_are_refused(data_type: pa.DataType) -> None:
    with pytest.raises(ConfigurationError, match="feature seen_at"):
        feature_kind("seen_at", data_type)
