"""Profiles: the same however rows are cut and added up, exact where they say so, and honest about the rest."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections import Counter
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.errors import LakeError
from batch_platform.predictions.histogram import Histogram
from batch_platform.predictions.profile import Profile

KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "single": (pa.float32(), st.floats(width=32)),
    "double": (pa.float64(), st.floats()),
    "count": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "byte": (pa.uint8(), st.integers(0, 255)),
    "text": (pa.string(), st.text("abc", max_size=2)),
    "code": (pa.dictionary(pa.int32(), pa.string()), st.text("abc", max_size=1)),
    "flag": (pa.bool_(), st.booleans()),
    "price": (pa.decimal128(9, 2), st.decimals(-999, 999, places=2)),
    "at": (pa.timestamp("us"), st.datetimes()),
    "vector": (pa.list_(pa.float32()), st.lists(st.floats(width=32), max_size=2)),
}
NAMES = list(KINDS)
ROW = st.fixed_dictionaries({name: st.none() | values for name, (_, values) in KINDS.items()})


def table_of(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.table({name: pa.array([row[name] for row in rows], kind) for name, (kind, _) in KINDS.items()})


TABLES = st.lists(ROW, max_size=14).map(table_of)


@given(TABLES, st.lists(st.integers(0, 14), max_size=4), st.integers(1, 4), st.randoms(use_true_random=False))
def test_cuts_and_the_order_of_adding_up_do_not_count(
    table: pa.Table, cuts: list[int], stride: int, random: Any
) -> None:
    edges = [0, *sorted(min(cut, table.num_rows) for cut in cuts), table.num_rows]
    parts = [
        Profile.of(table.slice(start, stop - start), NAMES, stride, -start % stride) for start, stop in pairwise(edges)
    ]
    whole = Profile.of(table, NAMES, stride)
    random.shuffle(parts)
    total = Profile()
    for part in parts:
        total = total.merge(part) if random.random() < 0.5 else part.merge(total)
    assert total == whole
    assert Profile.from_json(json.loads(json.dumps(total.to_json(), allow_nan=False))) == whole


@given(TABLES, st.integers(1, 4), st.integers(0, 3))
def test_figures_are_those_of_the_rows(table: pa.Table, stride: int, offset: int) -> None:
    found = Profile.of(table, NAMES, stride, offset).columns
    looked = table.take(pa.array(range(offset, table.num_rows, stride), pa.int64()))
    for name in ("single", "double", "count", "byte", "price"):
        values = [float(value) for value in table.column(name).to_pylist() if value is not None]
        exact = [v for v in table.column(name).to_pylist() if v is not None] if name == "count" else values
        numbers = [value for value in exact if not math.isnan(value)]
        sample = [float(value) for value in looked.column(name).to_pylist() if value is not None]
        column = found[name]
        assert (column.rows, column.nulls) == (table.num_rows, table.num_rows - len(values))
        ends = (min(numbers, default=None), max(numbers, default=None))
        # Arrow rounds a decimal to a double that is next to the nearest.
        assert (column.minimum, column.maximum) == (pytest.approx(ends) if name == "price" else ends)
        assert column.nan == sum(math.isnan(value) for value in sample)
        assert column.histogram is not None
        assert column.histogram.numbers == len(sample) - column.nan
    for name in ("text", "code", "flag"):
        sample = [value for value in looked.column(name).to_pylist() if value is not None]
        spelled = [str(value).lower() if isinstance(value, bool) else value for value in sample]
        assert found[name].levels is not None and found[name].levels.counts == dict(Counter(spelled))
    assert found["at"].histogram is None and found["at"].rows == found["vector"].rows == table.num_rows


def test_quantiles_stay_between_the_ends() -> None:
    column = Profile.of(pa.table({"a": [1.0, 1.0, None]}), ["a"]).columns["a"]
    assert column.quantile(0.5) == 1.0
    assert Profile.of(pa.table({"a": pa.array([None], pa.float64())}), ["a"]).columns["a"].quantile(0.5) is None
    assert Profile.of(pa.table({"a": ["x"]}), ["a"]).columns["a"].quantile(0.5) is None


def test_an_index_that_an_encoding_hides_behind_does_not_count() -> None:
    twice = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None]), pa.array(["x", "x", None]))
    [column] = Profile.of(pa.table({"a": twice}), ["a"]).columns.values()
    assert column.levels is not None and column.levels.counts == {"x": 2}
    assert column.nulls == 2


def test_profiles_of_different_types_do_not_add_up() -> None:
    numbers, texts = (Profile.of(pa.table({"a": values}), ["a"]) for values in ([1.5], ["x"]))
    assert Profile.of(pa.table({"a": [2]}), ["a"]).merge(numbers).columns["a"].histogram == Histogram.of(
        pa.array([2.0, 1.5], pa.float32()).to_numpy()
    )
    with pytest.raises(LakeError, match="do not add up"):
        numbers.merge(texts)


def test_a_column_that_only_one_side_has_is_kept() -> None:
    merged = Profile.of(pa.table({"a": [1]}), ["a"]).merge(Profile.of(pa.table({"b": [Decimal("0.5")]}), ["b"]))
    assert sorted(merged.columns) == ["a", "b"]
    assert Profile.of(pa.table({"t": [dt.date(2026, 1, 1), None]}), ["t"]).columns["t"].nulls == 1
