"""A row that a model cannot score takes no other row with it, and a model that is at fault itself is named at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.engines.cancellation import cancelled_by
from batch_platform.errors import Cancelled, ModelError
from batch_platform.models.runtimes.scores import ScoreField
from batch_platform.predictions.attempts import Scoring, usable

SCORE = ScoreField.parse("score", "double")


class Function:
    """A runtime made of a function of the column `x`; counts its calls."""

    features = ("x",)
    holds_lock = False

    def __init__(self, function: Callable[[np.ndarray], Any]) -> None:
        self.function, self.calls = function, 0

    def score(self, batch: pa.RecordBatch) -> Any:
        self.calls += 1
        return self.function(batch.column("x").to_numpy())


def rows(values: list[float]) -> pa.RecordBatch:
    return pa.record_batch({"x": pa.array(values, pa.float64())})


def scoring(function: Callable[[np.ndarray], Any], *fields: ScoreField, batch_rows: int = 4) -> Scoring:
    return Scoring(Function(function), fields or (SCORE,), batch_rows, "predictions/x[p], version 1")


def refusing(bad: set[float]) -> Callable[[np.ndarray], np.ndarray]:
    def score(x: np.ndarray) -> np.ndarray:
        found = bad.intersection(x.tolist())
        if found:
            raise ValueError(f"cannot score {min(found)}")
        return x * 2

    return score


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 9))
def test_exactly_the_guilty_rows_fail_with_their_own_error(guilty: list[bool], batch_rows: int) -> None:
    bad = {float(row) for row, is_bad in enumerate(guilty) if is_bad}
    if guilty and all(guilty):
        guilty, bad = [*guilty, False], bad
    values = [float(row) for row in range(len(guilty))]
    found = scoring(refusing(bad), batch_rows=batch_rows).score(rows(values))
    assert found.failures == {int(x): f"ValueError: cannot score {x}" for x in sorted(bad)}
    scores = found.columns["score"].to_pylist()
    assert scores == [None if x in bad else 2 * x for x in values]


def test_one_bad_row_among_many_costs_few_calls() -> None:
    attempt = scoring(refusing({1000.0}), batch_rows=4096)
    assert list(attempt.score(rows([float(x) for x in range(4096)])).failures) == [1000]
    assert attempt.runtime.calls <= 1 + 2 * 12  # type: ignore[attr-defined]


def test_scores_that_are_no_numbers_are_failures() -> None:
    found = scoring(lambda x: x).score(rows([1.0, float("nan"), float("inf"), float("-inf")]))
    reasons = {1: "the model's score is nan", 2: "the model's score is inf", 3: "the model's score is -inf"}
    assert found.failures == reasons


def test_any_of_several_outputs_can_fail_a_row() -> None:
    fields = (ScoreField.parse("a", "double"), ScoreField.parse("v", "float[2]"), ScoreField.parse("t", "text"))

    def several(x: np.ndarray) -> dict[str, Any]:
        vectors = np.stack([x, np.where(x == 2, np.nan, x)], axis=1).astype(np.float32)
        return {"a": x, "v": vectors, "t": [None if value == 3 else "yes" for value in x]}

    found = scoring(several, *fields).score(rows([0.0, np.nan, 2.0, 3.0]))
    assert found.failures == {
        1: "the model's a is nan",
        2: "the model's v holds a number that is none",
        3: "the model's t is None",
    }


def test_a_model_that_fails_on_every_row_is_given_up_early() -> None:
    attempt = scoring(refusing({float(x) for x in range(100_000)}), batch_rows=4096)
    with pytest.raises(ModelError, match="fails on each of the first 64 rows: ValueError: cannot score"):
        attempt.score(rows([float(x) for x in range(100_000)]))
    assert attempt.runtime.calls < 1000  # type: ignore[attr-defined]


def test_scores_of_another_shape_name_the_place() -> None:
    with pytest.raises(ModelError, match=r"predictions/x\[p\], version 1: .*shape \(4, 2\) for 4 rows"):
        scoring(lambda x: np.stack([x, x], axis=1)).score(rows([1.0, 2.0, 3.0, 4.0]))


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), MemoryError(), ModelError("refuses")])
def test_what_no_row_is_guilty_of_is_raised_as_it_is(error: BaseException) -> None:
    def fail(_: np.ndarray) -> np.ndarray:
        raise error

    with pytest.raises(type(error)) as caught:
        scoring(fail).score(rows([1.0, 2.0]))
    assert caught.value is error


def test_a_cancelled_run_ends_before_the_next_call() -> None:
    flag = threading.Event()

    def score(x: np.ndarray) -> np.ndarray:
        flag.set()
        return x

    attempt = scoring(score, batch_rows=2)
    with cancelled_by(flag), pytest.raises(Cancelled):
        attempt.score(rows([float(x) for x in range(10)]))
    assert attempt.runtime.calls == 1  # type: ignore[attr-defined]


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
