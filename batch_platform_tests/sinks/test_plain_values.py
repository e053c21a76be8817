"""Plain values: every type of the lake has one spelling, and JSON that any reader takes."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.sinks.plain_values import csv_ready, csv_schema, json_rows, json_text, json_value
from batch_platform_tests.sinks.rows import SCHEMA, nothing_known, rows


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (float("nan"), None),
        (float("inf"), None),
        (0.1, 0.1),
        (True, True),
        (Decimal("1.10"), "1.10"),
        (date(2025, 1, 6), "2025-01-06"),
        (datetime(2025, 1, 6, 1, tzinfo=UTC), "2025-01-06T01:00:00+00:00"),
        (datetime(2025, 1, 6, 1, tzinfo=timezone(timedelta(hours=-5))), "2025-01-06T01:00:00-05:00"),
        (b"\x00\xff", "AP8="),
        ([1.5, float("nan"), None, [Decimal("2")]], [1.5, None, None, ["2"]]),
        (None, None),
    ],
)
def test_a_value_becomes_what_json_can_hold(value: Any, plain: Any) -> None:
    assert json_value(value) == plain
    assert json.loads(json_text(json_value(value))) == plain


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), max_size=5), st.text())
def test_lists_and_texts_survive_json(numbers: list[float | None], text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    batch = pa.RecordBatch.from_pylist(
        [{"a": numbers, "b": text}], pa.schema({"a": pa.list_(pa.float64()), "b": pa.string()})
    )
    (found,) = json_rows(batch)
    assert json.loads(json_text(found)) == {"a": numbers, "b": text}


def test_a_batch_for_csv_has_the_schema_that_is_told_before_any_row() -> None:
    for content in (rows(1, 2), nothing_known(1), SCHEMA.empty_table()):
        batch = content.combine_chunks().to_batches()[0] if content.num_rows else pa.RecordBatch.from_pylist([], SCHEMA)
        assert csv_ready(batch).schema == csv_schema(SCHEMA)
