"""Rows cut into batches give what they would give at once, whatever the model's output is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.errors import ModelError
from batch_platform.models.runtimes.batches import in_batches

FORMS: dict[str, Callable[[Any], Any]] = {
    "array": lambda n: n * 2,
    "matrix": lambda n: np.stack([n, -n], axis=1),
    "list": lambda n: [None if value % 3 == 0 else str(value) for value in n],
    "series": lambda n: pd.Series(n, index=n[::-1]),
    "frame": lambda n: pd.DataFrame({"a": n, "b": n.astype(str)}),
    "mapping": lambda n: {"a": n, "b": np.stack([n, n], axis=1), "c": list(n)},
}


def rows(count: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"n": np.arange(count)})


def plain(raw: Any) -> Any:
    if isinstance(raw, dict):
        return {name: plain(values) for name, values in raw.items()}
    if isinstance(raw, pd.DataFrame):
        return plain(raw.to_dict("list"))
    return list(map(str, raw))


@given(st.sampled_from(sorted(FORMS)), st.integers(1, 40), st.integers(1, 15), st.booleans())
def test_batches_give_what_all_rows_give_at_once(form: str, count: int, batch_rows: int, padded: bool) -> None:
    sizes: list[int] = []

    def predict(part: pa.RecordBatch) -> Any:
        sizes.append(part.num_rows)
        return FORMS[form](part.column("n").to_numpy())

    found = in_batches(predict, rows(count), batch_rows, padded=padded)
    assert plain(found) == plain(FORMS[form](np.arange(count)))
    assert set(sizes) == {batch_rows} if padded else sum(sizes) == count and max(sizes) <= batch_rows


def test_a_batch_is_filled_up_with_a_row_that_stands_in_it() -> None:
    seen: list[Any] = []

    def predict(part: pa.RecordBatch) -> Any:
        seen.append(part.column("n").to_pylist())
        return np.zeros(part.num_rows)

    in_batches(predict, rows(5), 3, padded=True)
    assert seen == [[0, 1, 2], [3, 4, 4]]


@pytest.mark.parametrize(
    "given_", [np.float64(1), 0.5, None, np.zeros(()), np.zeros(3), [1.0], {"a": np.zeros(4), "b": np.zeros(3)}]
)
def test_what_has_no_entry_for_each_row_is_refused(given_: Any) -> None:
    with pytest.raises(ModelError, match=r"the model gave .* for 4 rows"):
        in_batches(lambda part: given_, rows(2), 4, padded=True)
