"""Rows that come from no file: whatever their order, the same extract."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform.snapshots.numbered_rows import extract_of, in_order

ROWS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(0, 3)),
        st.one_of(st.none(), st.sampled_from(["a", "B", "ä", ""])),
        st.one_of(st.none(), st.floats(allow_nan=True, width=16)),
        st.one_of(st.none(), st.lists(st.integers(0, 2), max_size=2)),
    ),
    max_size=12,
)


def table(rows: list[tuple[object, ...]]) -> pa.Table:
    kinds = [pa.int64(), pa.string(), pa.float64(), pa.list_(pa.int64())]
    columns = [pa.array([row[index] for row in rows], kind) for index, kind in enumerate(kinds)]
    return pa.table(columns, names=["i", "s", "f", "l"])


@settings(max_examples=40)
@given(data=st.data(), rows=ROWS)
def test_rows_in_any_order_and_any_batches_give_the_same_extract(data: st.DataObject, rows: list[object]) -> None:
    shuffled = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    first = extract_of(table(rows), "sql:t", ["s"], [])  # type: ignore[arg-type]
    again = extract_of(pa.concat_tables([table(shuffled[:cut]), table(shuffled[cut:])]), "sql:t", ["s"], [])  # type: ignore[arg-type]
    assert repr(first.table.to_pylist()) == repr(again.table.to_pylist())
    assert first.files == again.files
    assert first.table.num_rows == len(rows)


def test_the_order_is_that_of_the_first_columns_then_of_all() -> None:
    rows = pa.table({"a": [2, 1, 1], "b": ["x", "z", "y"], "nothing": pa.nulls(3)})
    assert in_order(rows, ["b", "absent"]).column("b").to_pylist() == ["x", "y", "z"]
    assert in_order(rows, []).column("b").to_pylist() == ["y", "z", "x"]


def test_another_value_is_another_digest() -> None:
    one, other = pa.table({"a": [1, None]}), pa.table({"a": [1, 0]})
    assert extract_of(one, "p", [], []).files != extract_of(other, "p", [], []).files
