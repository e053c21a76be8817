"""Levels are exact up to the cap, and beyond it the same whatever the order in which parts are added up."""

from __future__ import annotations

import json
from collections import Counter
from itertools import permutations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.predictions import levels as module
from batch_platform.predictions.levels import Levels

TEXTS = st.lists(st.none() | st.text("abcdefgh", max_size=2), max_size=40)


def of(values: list[str | None]) -> Levels:
    return Levels.of(pa.array(values, pa.string()).value_counts())


@given(TEXTS)
def test_counts_are_exact_below_the_cap(values: list[str | None]) -> None:
    assert of(values) == Levels(dict(Counter(value for value in values if value is not None)))
    assert Levels.from_json(json.loads(json.dumps(of(values).to_json()))) == of(values)


@pytest.mark.parametrize("kept", [1, 3, 10_000])
@given(parts=st.lists(TEXTS, min_size=3, max_size=3))
def test_adding_up_is_associative_and_commutative(kept: int, parts: list[list[str | None]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "KEPT", kept)
        whole = of([value for part in parts for value in part])
        assert len(whole.counts) <= kept and whole.rows == sum(v is not None for part in parts for v in part)
        for a, b, c in permutations([of(part) for part in parts]):
            assert a.merge(b).merge(c) == a.merge(b.merge(c)) == whole


def test_the_most_frequent_levels_are_shown_and_the_rest_counted_together() -> None:
    found = of(["b", "a", "c", "c", "b", "d"])
    assert found.most(2) == Levels({"b": 2, "c": 2}, other=2)
    assert list(found.most(3).counts) == ["b", "c", "a"]


def test_bytes_and_booleans_have_names() -> None:
    assert Levels.of(pa.array([True, False, True, None]).value_counts()) == Levels({"true": 2, "false": 1})
    assert Levels.of(pa.array([b"\x00\xff"]).value_counts()) == Levels({"00ff": 1})
