"""A score is there, and finite; of a vector all numbers are."""

from __future__ import annotations

import pyarrow as pa
import pytest

from batch_platform.predictions.usable import usable, without_score


def test_each_row_is_named_once_with_the_first_answer_that_is_none() -> None:
    nan = float("nan")
    columns = {"a": pa.array([nan, 1.0, nan, 1.0]), "v": pa.array([[nan], [nan], [1.0], [1.0]])}
    assert without_score(columns, {2}) == {0: "the model's a is nan", 1: "the model's v holds a number that is none"}


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1.0, None, float("nan")]), [True, False, False]),
        (pa.array([1, None], pa.int64()), [True, False]),
        (pa.array(["a", None]), [True, False]),
        (pa.array([[1.0, 2.0], [1.0, None], None, [float("inf"), 1.0], []]), [True, False, False, False, True]),
        (pa.array([], pa.list_(pa.float32())), []),
    ],
)
def test_what_counts_as_a_score(column: pa.Array, expected: list[bool]) -> None:
    assert usable(column).tolist() == expected
