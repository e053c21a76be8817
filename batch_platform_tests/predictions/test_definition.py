"""A prediction table's declaration: what is refused, and what follows for names and schemas."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.models.runtimes.scores import ScoreField
from batch_platform_tests.predictions.tables import predictions_of

TWO = (ScoreField.parse("a", "double"), ScoreField.parse("b", "integer"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outputs": {}}, "no output is a score; the model gives score"),
        ({"outputs": {"late": "chance > 1"}}, "no output is a score; the model gives score"),
        ({"scores": ()}, "scores is empty"),
        ({"scores": (ScoreField.parse("city", "text"),), "outputs": {"x": "city"}}, "score 'city' is a key or carried"),
        ({"reuse": 1, "scores": TWO, "outputs": {"x": "a"}}, "reuse needs every score in the table, and 'b'"),
        ({"outputs": {"visit": "score"}}, "'visit' is a key or carried"),
        ({"outputs": {"city": "score"}}, "'city' is a key or carried"),
        ({"outputs": {"chance": "score", "_model_version": "chance"}}, "_model_version"),
        ({"outputs": {"chance": "score", "partition_key": "chance"}}, "partition_key"),
        ({"carry": ("nowhere",)}, "nowhere"),
        ({"key": ("nobody",)}, "nobody"),
    ],
)
def test_declarations_that_cannot_be_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        predictions_of(**changes)


def test_what_follows_from_a_declaration() -> None:
    table = predictions_of(carry=("city", "visit", "city"))
    assert (table.table, table.quarantine) == ("predictions/visits", "quarantine/visits")
    assert table.copied == ("visit", "city")
    assert table.score_column == "chance"
    assert table.decision("2026-01-05") == datetime(2026, 1, 4, 18, tzinfo=UTC)
    assert table.quarantine_schema == pa.schema(
        [
            ("visit", pa.int64()),
            ("city", pa.string()),
            ("_source_file", pa.string()),
            ("_source_row", pa.int64()),
            ("_model_version", pa.string()),
            ("_error", pa.string()),
            ("_resolved", pa.bool_()),
        ]
    )
