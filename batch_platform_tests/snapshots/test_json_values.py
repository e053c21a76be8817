"""Values of JSON: as text they say what they said, and as doubles no number becomes another one."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.errors import SourceError
from batch_platform.snapshots.json_values import Inference, Number, as_json

SCALARS = st.none() | st.booleans() | st.text(st.characters(codec="utf-8"), max_size=5)
NUMBERS = st.integers().map(str) | st.floats(allow_nan=False, allow_infinity=False).map(repr)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS | NUMBERS.map(Number),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=10,
)


def numbers(*written: str) -> list[float | None]:
    """A column of these numbers, and a fraction, where no type is declared."""
    found = Inference("in.jsonl")
    found.add([{"a": Number("0.5")}, *({"a": Number(text)} for text in written)], ["a"])
    values: list[float | None] = found.table().column("a").to_pylist()[1:]
    return values


@given(VALUES)
def test_a_value_as_json_is_that_value(value: Any) -> None:
    """Every number as it was written, which no parser may round."""
    again = json.loads(as_json(value), parse_int=Number, parse_float=Number)
    assert again == value and as_json(again) == as_json(value)


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["r", ".16e", ".17g", "f"]))
def test_a_double_is_taken_however_it_was_written(number: float, form: str) -> None:
    (found,) = numbers(repr(number) if form == "r" else format(number, form))
    assert found == (float(format(number, form)) if form != "r" else number)


@given(st.integers(-(10**40), 10**40), st.sampled_from(["{}", "{}.0", "{}e0", "{}.00E+0", "{}0e-1"]))
def test_a_whole_number_is_itself_or_refused(number: int, form: str) -> None:
    text = form.format(number)
    exact = int(float(number)) == number
    try:
        (found,) = numbers(text)
    except SourceError as error:
        assert not exact and "would be rounded" in str(error) and "row 2" in str(error)
    else:
        assert exact and found is not None and Fraction(found) == number == Decimal(text)


@pytest.mark.parametrize("text", ["90071992547409930e-1", "9007199254740993e1", "9.007199254740993e15", "-1e400"])
def test_no_spelling_of_a_number_hides_that_it_would_be_rounded(text: str) -> None:
    with pytest.raises(SourceError, match="would be rounded"):
        numbers(text)


@pytest.mark.parametrize("text", ["1e23", "6.02214076e23", "1.7976931348623157e308", "9007199254740993.5", "1e-400"])
def test_measured_numbers_become_the_nearest_double(text: str) -> None:
    assert numbers(text) == [float(text)]
