"""What runs of keys prove: never more than is true, the same however rows are cut, and enough where keys ascend."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.predictions.key_order import KeyOrder, KeyRun, unique

SMALL = st.integers(0, 12)
ROWS = st.lists(st.tuples(st.none() | SMALL, st.none() | st.text("ab", max_size=2)), max_size=12)


def keys(rows: list[tuple[Any, Any]]) -> pa.Table:
    columns = {"a": pa.array([a for a, _ in rows], pa.int64()), "b": pa.array([b for _, b in rows], pa.string())}
    return pa.table(columns)


def run_of(table: pa.Table, columns: list[str] | None = None) -> KeyRun:
    order = KeyOrder(columns or table.column_names)
    order.add(table)
    return order.run()


@given(ROWS, st.lists(SMALL, max_size=4))
def test_the_evidence_is_the_same_however_rows_are_cut(rows: list[Any], cuts: list[int]) -> None:
    table = keys(rows)
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    for columns in (["a"], ["b"], ["a", "b"]):
        order = KeyOrder(columns)
        for start, stop in pairwise(edges):
            order.add(table.slice(start, stop - start))
        assert order.run() == run_of(table, columns)
        assert KeyRun.from_json(json.loads(json.dumps(order.run().to_json()))) == order.run()


@given(st.lists(ROWS, max_size=4), st.randoms(use_true_random=False))
def test_no_proof_is_ever_wrong_and_order_does_not_count(files: list[list[Any]], random: Any) -> None:
    everything = [key for file in files for key in file]
    complete = all(part is not None for key in everything for part in key)
    truth = complete and len(set(everything)) == len(everything)
    runs = [run_of(keys(file)) for file in files]
    found = unique(runs)
    assert found in (truth, None)
    random.shuffle(runs)
    assert unique(runs) == found


@given(st.sets(st.tuples(SMALL, st.text("abü", max_size=2)), max_size=12), st.lists(SMALL, max_size=3))
def test_sorted_keys_in_any_number_of_files_are_proved(distinct: set[Any], cuts: list[int]) -> None:
    rows = sorted(distinct)
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    runs = [run_of(keys(rows[start:stop])) for start, stop in pairwise(edges)]
    assert unique(runs[::-1]) is True


UTC = dt.UTC


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.uint64(), [0, 2**63, 2**64 - 1]),
        (pa.int8(), [-128, 0, 127]),
        (pa.float32(), [float("-inf"), -0.5, 0.25]),
        (pa.bool_(), [False, True]),
        (pa.string_view(), ["", "a", "ä", "😀"]),
        (pa.large_string(), ["A", "a"]),
        (pa.binary(), [b"", b"\x00", b"\xff"]),
        (pa.large_binary(), [b"\x10", b"\x10\x00"]),
        (pa.date32(), [dt.date(1969, 12, 31), dt.date(2026, 1, 1)]),
        (pa.timestamp("ms", "UTC"), [dt.datetime(1960, 1, 1, tzinfo=UTC), dt.datetime(2026, 1, 1, tzinfo=UTC)]),
        (pa.decimal128(38, 2), [Decimal("-0.01"), Decimal("1.5"), Decimal("10") ** 35]),
        (pa.dictionary(pa.int8(), pa.string()), ["a", "b"]),
    ],
)
def test_keys_of_every_type_are_compared_by_value(kind: pa.DataType, values: list[Any]) -> None:
    def run(chosen: list[Any]) -> KeyRun:
        order = KeyOrder(["k"])
        for value in chosen:
            order.add(pa.table({"k": pa.array([value], kind)}))
        assert order.run() == run_of(pa.table({"k": pa.array(chosen, kind)}))
        return KeyRun.from_json(json.loads(json.dumps(order.run().to_json())))

    assert unique([run(values)]) is True
    assert unique([run([value]) for value in values]) is True
    assert unique([run(values[:1]), run(values[:1])]) is False
    assert unique([run(values[::-1])]) is None
    assert unique([run([*values, None])]) is False


def test_runs_that_do_not_tell_are_left_undecided() -> None:
    def run(*values: float) -> KeyRun:
        return run_of(pa.table({"k": pa.array(values)}))

    assert unique([]) is True and unique([KeyRun(), run(1)]) is True
    assert unique([run(1, 5), run(3, 4)]) is None  # they overlap, and may or may not share a key
    assert unique([run(1, 1)]) is None
    assert unique([run(1, 2), run(2, 3)]) is False
    assert unique([run(float("nan")), run(1.0)]) is None
    assert unique([run(-0.0), run(0.0)]) is False
