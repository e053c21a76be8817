"""Columns read for scoring hold what the encodings read from them, and numbers are not copied."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform.models.encoding import CategoricalEncoding, numeric_values
from batch_platform.models.runtimes.columns import CategoryCodes, numbers

LEVELS = ("", "a", "b", "true", "ß", None)
texts = st.one_of(st.none(), st.sampled_from(["", "a", "b", "ß", "unseen", "true"]))


@pytest.mark.parametrize(
    "kind", [pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.decimal128(30, 2)]
)
@pytest.mark.parametrize("values", [[1, 2, 3], [1, None, 3], [None, None, None], []])
def test_numbers_are_those_of_the_encoding_whatever_their_type(kind: pa.DataType, values: list[int | None]) -> None:
    column = pa.array(values, pa.int64()).cast(kind)
    np.testing.assert_array_equal(numbers(column).astype(np.float64), numeric_values(column))
    np.testing.assert_array_equal(numbers(column[1:]).astype(np.float64), numeric_values(column[1:]))


@pytest.mark.parametrize("kind", [pa.int32(), pa.float32(), pa.float64()])
def test_numbers_without_gaps_are_not_copied(kind: pa.DataType) -> None:
    column = pa.array([1, 2, 3], kind)
    assert numbers(column).__array_interface__["data"][0] == column.buffers()[1].address


def test_a_column_of_nulls_is_missing_throughout() -> None:
    assert np.isnan(numbers(pa.nulls(3))).all()
    assert CategoryCodes(LEVELS).codes(pa.nulls(2)).tolist() == [6, 6]
    assert CategoryCodes(("a",)).codes(pa.nulls(2)).tolist() == [0, 0]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.lists(texts, max_size=20), max_size=4), st.sampled_from([LEVELS, ("a", "b"), (None,), ()]))
def test_codes_are_those_of_the_encoding_however_arrow_holds_the_texts(
    batches: list[list[str | None]], levels: tuple[str | None, ...]
) -> None:
    of, encoding = CategoryCodes(levels), CategoricalEncoding(("x",), (levels,))
    for values in batches:
        plain = pa.array(values, pa.string())
        expected = encoding.codes(pa.table({"x": plain}))[:, 0].tolist()
        null_in_dictionary = pa.DictionaryArray.from_arrays(pa.array(range(len(values)), pa.int8()), plain)
        for column in (plain, plain.cast(pa.large_string()), plain.dictionary_encode(), null_in_dictionary):
            assert of.codes(column).tolist() == expected
            assert of.codes(column[1:]).tolist() == expected[1:]


@pytest.mark.parametrize("levels", [("false", "true", None), ("true",)])
def test_booleans_have_the_codes_of_their_texts(levels: tuple[str | None, ...]) -> None:
    column = pa.array([True, False, None, True])
    expected = CategoricalEncoding(("x",), (levels,)).codes(pa.table({"x": column}))[:, 0]
    assert CategoryCodes(levels).codes(column).tolist() == expected.tolist()
    assert CategoryCodes(levels).codes(column[1:]).tolist() == expected[1:].tolist()


def test_a_dictionary_with_as_many_entries_as_its_indices_can_count_may_have_nulls() -> None:
    dictionary = pa.array([str(number) for number in range(127)])
    column = pa.DictionaryArray.from_arrays(pa.array([126, None, 0], pa.int8()), dictionary)
    assert CategoryCodes(("0", "126", None)).codes(column).tolist() == [2, 3, 1]
