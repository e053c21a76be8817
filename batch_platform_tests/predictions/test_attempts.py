"""A row that a model cannot score takes no other row with it, and only the number of such rows decides the verdict."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.engines.cancellation import cancelled_by
from batch_platform.errors import Cancelled, ContractError, ModelError, is_transient
from batch_platform.features.quarantine import Tolerance
from batch_platform.models.runtimes.scores import ScoreField
from batch_platform.predictions.attempts import Scoring
from batch_platform.predictions.failures import Allowance

SCORE = ScoreField.parse("score", "double")


class Function:
    """A runtime made of a function of the column `x`; counts its calls."""

    features = ("x",)
    holds_lock = False

    def __init__(self, function: Callable[[np.ndarray], Any]) -> None:
        self.function, self.calls, self.most = function, 0, 0

    def score(self, batch: pa.RecordBatch) -> Any:
        self.calls, self.most = self.calls + 1, max(self.most, batch.num_rows)
        return self.function(batch.column("x").to_numpy())


def rows(values: list[float]) -> pa.RecordBatch:
    return pa.record_batch({"x": pa.array(values, pa.float64())})


def drawing(values: list[float] | range) -> Callable[[int], Iterator[pa.RecordBatch]]:
    return lambda count: (rows([float(value)]) for value in random.Random(7).sample(values, min(count, len(values))))


def scoring(
    function: Callable[[np.ndarray], Any],
    *fields: ScoreField,
    batch_rows: int = 4,
    tolerance: str = "100%",
    partition: list[float] | range = range(1_000_000),
) -> Scoring:
    return Scoring(
        Function(function),
        fields or (SCORE,),
        batch_rows,
        "predictions/x[p], version 1",
        Allowance(Tolerance.parse(tolerance), len(partition), "predictions/x[p]"),
        drawing(partition),
    )


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
    values = [float(row) for row in range(len(guilty))]
    found = scoring(refusing(bad), batch_rows=batch_rows).score(rows(values))
    assert found.failures == {int(x): f"ValueError: cannot score {x}" for x in sorted(bad)}
    scores = found.columns["score"].to_pylist()
    assert scores == [None if x in bad else 2 * x for x in values]


def test_one_bad_row_among_many_costs_few_calls() -> None:
    attempt = scoring(refusing({1000.0}), batch_rows=4096)
    assert list(attempt.score(rows([float(x) for x in range(4096)])).failures) == [1000]
    assert attempt.runtime.calls <= 1 + 2 * 12 + 1  # type: ignore[attr-defined]


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


SIZES = st.lists(st.integers(1, 200), min_size=1, max_size=5)
STRETCHES = st.lists(st.tuples(st.integers(0, 350), st.integers(1, 300)), max_size=3)


@given(
    st.integers(1, 400), STRETCHES, SIZES, st.integers(1, 64), st.sampled_from(["0%", "1%", "30%", "80%", "70 rows"])
)
def test_only_the_number_of_failing_rows_decides_however_the_partition_is_cut(
    count: int, stretches: list[tuple[int, int]], sizes: list[int], batch_rows: int, tolerance: str
) -> None:
    values = [float(row) for row in range(count)]
    bad = {x for x in values if any(first <= x < first + length for first, length in stretches)}
    failed, start, refused = 0, 0, False
    while start < count:
        size = sizes[start % len(sizes)]
        shard = scoring(refusing(bad), batch_rows=batch_rows, tolerance=tolerance, partition=values)
        try:
            failed += len(shard.score(rows(values[start : start + size])).failures)
        except (ContractError, ModelError):
            refused = True
        start += size
    allowed = Tolerance.parse(tolerance)
    assert (refused or allowed.exceeded(count, failed)) == allowed.exceeded(count, len(bad))
    assert refused or failed == len(bad)


def test_the_first_row_too_many_ends_the_shard() -> None:
    attempt = scoring(refusing({float(x) for x in range(3, 4096)}), batch_rows=4096, tolerance="5 rows")
    with pytest.raises(ContractError, match=r"x\[p\]: 6 of 1000000 rows .* than 5 rows: ValueError: cannot score 8"):
        attempt.score(rows([float(x) for x in range(4096)]))
    assert attempt.runtime.calls < 40  # type: ignore[attr-defined]


def test_rows_without_a_number_count_like_those_that_raise() -> None:
    def score(x: np.ndarray) -> np.ndarray:
        return np.where(x == 1, np.nan, refusing({2.0})(x))

    assert len(scoring(score, tolerance="2 rows").score(rows([0.0, 1.0, 2.0])).failures) == 2
    with pytest.raises(ContractError, match="2 of 1000000 rows"):
        scoring(score, tolerance="1 rows").score(rows([0.0, 1.0, 2.0]))


@pytest.mark.parametrize(("tolerance", "needed"), [("1%", 6), ("50%", 40), ("80%", 124)])
def test_a_model_that_fails_on_everything_costs_few_calls_whatever_is_tolerated(tolerance: str, needed: int) -> None:
    everything = range(1_000_000)
    attempt = scoring(refusing({float(x) for x in everything}), batch_rows=4096, tolerance=tolerance)
    with pytest.raises(ModelError, match=f"fails on each of {needed} rows from all over the partition: ValueError"):
        attempt.score(rows([float(x) for x in everything]))
    assert attempt.runtime.calls < 2 * 64 + 12 + needed  # type: ignore[attr-defined]


def test_a_shard_of_nothing_but_failing_rows_is_no_fault_of_the_model() -> None:
    values = [float(x) for x in range(200)]
    found = scoring(refusing(set(values)), tolerance="1%").score(rows(values))
    assert len(found.failures) == 200 and found.columns["score"].null_count == 200


def test_scores_of_another_shape_name_the_place() -> None:
    with pytest.raises(ModelError, match=r"predictions/x\[p\], version 1: .*shape \(4, 2\) for 4 rows"):
        scoring(lambda x: np.stack([x, x], axis=1)).score(rows([1.0, 2.0, 3.0, 4.0]))


@pytest.mark.parametrize(
    "error", [ConnectionResetError("gone"), FileNotFoundError("gone"), MemoryError(), ModelError("refuses")]
)
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


def test_a_cancelled_run_does_not_go_on_bisecting() -> None:
    flag = threading.Event()

    def score(x: np.ndarray) -> np.ndarray:
        flag.set()
        raise ValueError("no")

    attempt = scoring(score, batch_rows=64)
    with cancelled_by(flag), pytest.raises(Cancelled):
        attempt.score(rows([float(x) for x in range(64)]))
    assert attempt.runtime.calls == 1  # type: ignore[attr-defined]


def test_calls_grow_only_so_far_that_a_run_can_be_cancelled() -> None:
    attempt = scoring(lambda x: x, batch_rows=4096)
    attempt.score(rows([1.0] * 1_000_000))
    assert 4096 < attempt.runtime.most <= 65_536  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "transient"),
    [
        ("CUDA out of memory. Tried to allocate 2.00 GiB", True),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : std::bad_alloc", True),
        ("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory", True),
        ("CUDA error: device-side assert triggered", False),
        ("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR", False),
    ],
)
def test_a_fault_of_the_machine_is_blamed_on_no_row(text: str, transient: bool) -> None:
    def fail(_: np.ndarray) -> np.ndarray:
        raise RuntimeError(text)

    attempt = scoring(fail)
    with pytest.raises(ModelError, match="the machine failed while the model scored: RuntimeError: ") as caught:
        attempt.score(rows([1.0, 2.0]))
    assert attempt.runtime.calls == 1  # type: ignore[attr-defined]
    assert is_transient(caught.value) == transient


def test_a_value_that_reads_like_a_fault_of_the_machine_is_its_rows() -> None:
    def score(x: np.ndarray) -> np.ndarray:
        if 2.0 in x:
            raise ValueError("unknown category 'CUDA error: out of memory'")
        return x

    assert list(scoring(score).score(rows([1.0, 2.0, 3.0])).failures) == [1]


@pytest.mark.parametrize("tolerance", ["100%", "2 rows"])
def test_a_model_that_stops_working_is_blamed_on_no_row(tolerance: str) -> None:
    seen: list[int] = []

    def score(x: np.ndarray) -> np.ndarray:
        seen.append(len(x))
        if len(seen) > 2:
            raise RuntimeError("the session is gone")
        return x

    with pytest.raises(ModelError, match="no longer scores a row that it scored before: RuntimeError: the session"):
        scoring(score, tolerance=tolerance).score(rows([float(x) for x in range(64)]))
