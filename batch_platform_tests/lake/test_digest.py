"""The content digest: what it does not depend on, what it depends on, and that nobody changes it by accident."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from batch_platform.errors import LakeError
from batch_platform.lake.digest import ContentDigest, combine, digest_table

UTC = dt.UTC
COLUMNS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "flag": (pa.bool_(), st.booleans()),
    "count": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "score": (pa.float64(), st.floats(width=64)),
    "name": (pa.string(), st.text(max_size=20)),
    "blob": (pa.binary(), st.binary(max_size=20)),
    "day": (pa.date32(), st.dates()),
    "at": (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(UTC))),
    "price": (pa.decimal128(20, 4), st.decimals(-(10**15), 10**15, places=4)),
    "tags": (pa.list_(pa.string()), st.lists(st.none() | st.text(max_size=9), max_size=4)),
    "grid": (pa.list_(pa.list_(pa.int64())), st.lists(st.lists(st.integers(-9, 9), max_size=3), max_size=3)),
}
SCHEMA = pa.schema([(name, kind) for name, (kind, _) in COLUMNS.items()])
ROW = st.fixed_dictionaries({name: st.none() | values for name, (_, values) in COLUMNS.items()})
TABLES = st.lists(ROW, max_size=12).map(lambda rows: pa.Table.from_pylist(rows, schema=SCHEMA))
GOLDEN = pa.table(
    {
        "flag": [True, None, False],
        "count": [1, -(2**63), None],
        "score": [0.5, float("nan"), None],
        "name": ["", "eight by", "ü, nine bytes"],
        "blob": pa.array([b"\x00", b"", None]),
        "day": [dt.date(2025, 1, 6), None, dt.date(1969, 12, 31)],
        "at": pa.array([dt.datetime(2025, 1, 6, 12, 30, 0, 1, UTC), None, None], pa.timestamp("us", "UTC")),
        "price": pa.array([Decimal("-1.25"), Decimal("99999999999999.99"), None], pa.decimal128(30, 2)),
        "tags": [["a", None], [], None],
        "_source_row": [1, 2, 3],
    }
)


def hex_of(values: Any, kind: pa.DataType | None = None) -> str:
    return digest_table(pa.table({"a": pa.array(values, kind)})).hex


def test_the_algorithm_is_the_one_behind_every_data_version_ever_recorded() -> None:
    assert digest_table(GOLDEN).hex == "e8d72c05650cddd9a9cce3cc30bc8518"
    assert digest_table(GOLDEN, positions=True).hex == "fa49d333502da1151da55260bb85e736"
    assert digest_table(GOLDEN.slice(0, 0)).hex == "e91597b9d60ef4014e19170bd9372780"
    assert combine(["a", "b"]) == "911169ddaaf146aff539f58c26c489af"
    singles = {name: digest_table(GOLDEN.select([name])).hex for name in GOLDEN.column_names[:-1]}
    assert singles == {
        "flag": "f5e46bb3611fa407b58e970256462073",
        "count": "8f199d64c14f33b9c6b1e75308829555",
        "score": "0c31d96afb2c634d72e1a761450dab01",
        "name": "446d804fd47bda130fb9831e7e2c3464",
        "blob": "c06ddc5bc7c2e5df2c9b6b448e2cb5d0",
        "day": "a51c9c7ecc01b2a5d7e691b30e105c7c",
        "at": "6bf42a4d0062e88a4c5241d16a4aa93d",
        "price": "8b93248b2603b6e49945973bc413cf30",
        "tags": "d4119a9e5228ed26ddea8099c6e230b9",
    }


@given(TABLES, st.randoms(use_true_random=False))
def test_row_and_column_order_do_not_count(table: pa.Table, random: Any) -> None:
    rows, names = list(range(table.num_rows)), table.column_names
    random.shuffle(rows)
    random.shuffle(names)
    assert digest_table(table.take(pa.array(rows, pa.int64())).select(names)) == digest_table(table)


@given(TABLES, st.lists(st.integers(0, 12), max_size=4))
def test_chunks_slices_and_parts_do_not_count(table: pa.Table, cuts: list[int]) -> None:
    """Slices keep their offset into shared buffers, which every column type has to respect."""
    edges = [0, *sorted(min(cut, table.num_rows) for cut in cuts), table.num_rows]
    parts = [table.slice(start, stop - start) for start, stop in pairwise(edges)]
    whole = digest_table(table)
    assert digest_table(pa.concat_tables(parts)) == whole
    total = ContentDigest(whole.shape)
    for part in parts:
        total += digest_table(part)
    assert total == whole
    assert all(digest_table(part) == digest_table(pa.Table.from_pylist(part.to_pylist(), SCHEMA)) for part in parts)


def test_batches_larger_than_the_working_set_add_up() -> None:
    """More rows than one batch of the digest, so its own cutting is covered, too."""
    table = pa.table({"a": range(40_000), "b": [str(n % 977) for n in range(40_000)]})
    assert digest_table(table) == digest_table(table.slice(30_000)) + digest_table(table.slice(0, 30_000))
    assert digest_table(table.to_batches()[0]) == digest_table(table)
    assert digest_table(table).rows == 40_000


@given(st.lists(st.none() | st.integers(0, 127), max_size=9))
def test_integer_width_and_sign_do_not_count(values: list[int | None]) -> None:
    kinds = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
    assert len({hex_of(values, kind) for kind in kinds}) == 1


@given(st.lists(st.none() | st.floats(width=16), max_size=9))
def test_float_width_does_not_count(values: list[float | None]) -> None:
    halves = pa.table({"a": pa.array(values, pa.float32())})
    assert digest_table(halves).hex == hex_of(values, pa.float64())
    assert digest_table(pa.table({"a": halves["a"].cast(pa.float16())})).hex == hex_of(values, pa.float64())


@given(st.lists(st.none() | st.text(max_size=20), max_size=9), st.integers(0, 9))
def test_text_encodings_do_not_count(values: list[str | None], skip: int) -> None:
    plain = pa.array(values, pa.string())
    forms = [plain, plain.dictionary_encode(), plain.cast(pa.large_string()), plain.cast(pa.string_view())]
    assert len({digest_table(pa.table({"a": form}).slice(skip)).hex for form in forms}) == 1


def test_encodings_of_other_types_do_not_count() -> None:
    with_null = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(["x", None]))
    assert digest_table(pa.table({"a": with_null})).hex == hex_of(["x", None, "x"])
    assert hex_of([b"x", None], pa.large_binary()) == hex_of([b"x", None], pa.binary())
    assert hex_of([dt.date(1970, 1, 2), None], pa.date64()) == hex_of([1, None], pa.date32())
    assert hex_of([1, None], pa.timestamp("ms")) == hex_of([1000, None], pa.timestamp("us"))
    lists = [[1, 2], None, [3, 4]]
    kinds = [pa.list_(pa.int64()), pa.large_list(pa.int64()), pa.list_(pa.int64(), 2), pa.list_(pa.int8())]
    assert len({hex_of(lists, kind) for kind in kinds}) == 1


def test_decimals_count_by_value() -> None:
    values = [Decimal("1.50"), Decimal("-0.01"), None, Decimal("0")]
    kinds = [pa.decimal128(5, 2), pa.decimal128(38, 2), pa.decimal256(50, 2), pa.decimal32(9, 2), pa.decimal64(18, 2)]
    assert len({hex_of(values, kind) for kind in kinds}) == 1
    wide = [Decimal(2**64) + n for n in range(3)] + [Decimal(n) for n in range(3)] + [Decimal(-1), Decimal(2**64 - 1)]
    assert len({hex_of([value], pa.decimal128(38, 0)) for value in wide}) == len(wide)


def test_where_a_row_stood_in_its_source_does_not_count_unless_asked() -> None:
    here = pa.table({"a": [1, 2], "_source_file": ["x", "x"], "_source_row": [1, 2]})
    there = pa.table({"a": [1, 2], "_source_file": ["y", "y"], "_source_row": [5, 6]})
    bare = here.select(["a"])
    assert digest_table(here) == digest_table(there) == digest_table(bare)
    assert len({digest_table(table, positions=True).hex for table in (here, there, bare)}) == 3


@given(TABLES, st.data())
def test_any_single_changed_value_counts(table: pa.Table, data: st.DataObject) -> None:
    assume(table.num_rows)
    name = data.draw(st.sampled_from(table.column_names))
    row = data.draw(st.integers(0, table.num_rows - 1))
    rows = table.to_pylist()
    old, new = rows[row][name], data.draw(st.none() | COLUMNS[name][1])
    assume(old != new and not (old != old and new != new))
    rows[row][name] = new
    assert digest_table(pa.Table.from_pylist(rows, SCHEMA)).hex != digest_table(table).hex


@given(TABLES)
def test_a_row_more_or_less_counts(table: pa.Table) -> None:
    """A duplicate does not cancel out, as it would under exclusive or."""
    assume(table.num_rows)
    twice = pa.concat_tables([table, table.slice(0, 1)])
    thrice = pa.concat_tables([twice, table.slice(0, 1)])
    assert len({digest_table(form).hex for form in (table, twice, thrice, table.slice(1))}) == 4


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.string(), [None, "", "\0", "0", " ", "\0\0", "a", "a\0", "aaaaaaaa", "aaaaaaaaa"]),
        (pa.int64(), [None, 0, 1, -1, 2**32, -(2**63)]),
        (pa.float64(), [None, 0.0, 5e-324, 1.0, float("nan"), float("inf"), float("-inf")]),
        (pa.bool_(), [None, False, True]),
        (pa.list_(pa.int64()), [None, [], [0], [None], [0, 0], [1, 2], [2, 1], [1, 2, None], [None, 1, 2]]),
        (pa.list_(pa.list_(pa.int64())), [None, [], [[]], [None], [[], []], [[1], [2]], [[1, 2]], [[2], [1]]]),
    ],
)
def test_nothing_is_not_empty_is_not_zero(kind: pa.DataType, values: list[Any]) -> None:
    assert len({hex_of([value], kind) for value in values}) == len(values)


def test_a_value_moved_to_another_column_or_row_counts() -> None:
    forms = [
        {"a": [1, 2], "b": [3, 4]},
        {"a": [3, 4], "b": [1, 2]},
        {"a": [2, 1], "b": [3, 4]},
        {"a": [1, 2], "c": [3, 4]},
        {"a": [1, 2], "b": [3.0, 4.0]},
    ]
    assert len({digest_table(pa.table(form)).hex for form in forms}) == len(forms)
    text = [[["ab"], ["c"]], [["a"], ["bc"]], [["abc"], [""]]]
    assert len({digest_table(pa.table({"a": a, "b": b})).hex for a, b in text}) == 3


def test_negative_zero_is_zero_and_nan_is_nan() -> None:
    odd_nan = pa.Array.from_buffers(pa.float64(), 1, [None, pa.py_buffer(b"\x01\x00\x00\x00\x00\x00\xf8\xff")])
    assert hex_of([-0.0]) == hex_of([0.0])
    assert hex_of(odd_nan) == hex_of([float("nan")])


def test_empty_tables_of_different_schema_differ() -> None:
    schemas = [{"a": pa.int64()}, {"a": pa.string()}, {"b": pa.int64()}, {"a": pa.int64(), "b": pa.int64()}, {}]
    empty = [pa.schema(list(schema.items())).empty_table() for schema in schemas]
    assert len({digest_table(table).hex for table in empty}) == len(schemas)


def test_differently_shaped_digests_do_not_add_up() -> None:
    with pytest.raises(LakeError, match="do not add up"):
        digest_table(pa.table({"a": [1]})) + digest_table(pa.table({"a": ["1"]}))


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        (pa.array([{"x": 1}]), "struct"),
        (pa.array([[{"x": 1}]]), "struct"),
        (pa.nulls(1), "type null"),
        (pa.array([dt.time(1)]), "time64"),
        (pa.array([1], pa.timestamp("ns")), "would lose data"),
        (pa.array([Decimal(10) ** 45], pa.decimal256(50, 0)), "precision 38"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_name(column: pa.Array, problem: str) -> None:
    with pytest.raises(LakeError, match=f"column 'odd'.*{problem}"):
        digest_table(pa.table({"odd": column}))


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(LakeError, match="one name"):
        digest_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]))


@given(st.lists(st.text("ab", max_size=3), max_size=4), st.lists(st.text("ab", max_size=3), max_size=4))
def test_combined_digests_tell_their_parts_and_order_apart(one: list[str], other: list[str]) -> None:
    assert (combine(one) == combine(other)) == (one == other)
