"""Declarations of scores mean one thing, and raw output takes their form or is refused with both sides named."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError, ModelError
from batch_platform.models.runtimes.scores import ScoreField, conform


def field(text: str, name: str = "score") -> ScoreField:
    return ScoreField.parse(name, text)


def one(raw: Any, text: str, rows: int) -> pa.Array:
    return conform(raw, [field(text)], rows)["score"]


@pytest.mark.parametrize(
    ("text", "kind", "between", "width"),
    [
        ("probability", pa.float32(), (0.0, 1.0), None),
        ("float", pa.float32(), None, None),
        ("double in [-1.5, 2e3]", pa.float64(), (-1.5, 2000.0), None),
        ("integer in [0, 1234567]", pa.int64(), (0.0, 1234567.0), None),
        ("double in [1e-7, 1e+22]", pa.float64(), (1e-7, 1e22), None),
        ("text", pa.string(), None, None),
        ("boolean", pa.bool_(), None, None),
        ("float[384]", pa.list_(pa.float32()), None, 384),
        (" double[3]  in [ 0 , 1 ] ", pa.list_(pa.float64()), (0.0, 1.0), 3),
    ],
)
def test_a_declaration_is_read(text: str, kind: pa.DataType, between: object, width: int | None) -> None:
    found = field(text)
    assert (found.kind, found.between, found.width) == (kind, between, width)
    assert field(found.text) == found
    assert field("probability").text == "float in [0, 1]"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "number",
        "  ",
        "float[0]",
        "float[-1]",
        "text[3]",
        "integer[3]",
        "text in [0, 1]",
        "boolean in [0, 1]",
        "float in [1, 0]",
        "float in [0, inf]",
        "float in [0, 1e999]",
        "probability in [0, 1]",
        "float in [0]",
        "float[٣]",
        "float\n; drop",
    ],
)
def test_what_is_no_declaration_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^score late: "):
        ScoreField.parse("late", text)


def test_an_array_of_the_declared_type_is_not_copied() -> None:
    raw = np.array([0.5, np.nan, np.inf], np.float32)
    found = one(raw, "probability", 3)
    assert found.buffers()[1].address == raw.ctypes.data
    assert found.null_count == 0


def test_double_scores_keep_every_bit_where_a_double_is_declared() -> None:
    raw = np.random.default_rng(0).random(100)
    assert one(raw, "double", 100).to_numpy().tobytes() == raw.tobytes()
    assert one(raw, "float", 100).to_numpy().tobytes() == raw.astype(np.float32).tobytes()


def test_a_double_beyond_floats_becomes_infinite_rather_than_an_error() -> None:
    assert one(np.array([1e300, -1e300]), "float", 2).to_pylist() == [np.inf, -np.inf]


def test_columns_of_an_array_are_the_declared_fields_in_order() -> None:
    raw = np.arange(6, dtype=np.float32).reshape(3, 2)
    found = conform(raw, [field("float", "low"), field("double", "high")], 3)
    assert {name: column.to_pylist() for name, column in found.items()} == {"low": [0, 2, 4], "high": [1, 3, 5]}
    assert found["high"].type == pa.float64()


@pytest.mark.parametrize(
    "raw", [np.arange(6.0).reshape(2, 3), [[0, 1, 2], [3, 4, 5]], [np.arange(3.0), np.arange(3.0, 6)]]
)
def test_a_vector_becomes_a_list_of_its_element_type(raw: Any) -> None:
    found = one(raw, "float[3]", 2)
    assert found.type == pa.list_(pa.float32())
    assert found.to_pylist() == [[0, 1, 2], [3, 4, 5]]


def test_mappings_and_frames_are_read_by_name() -> None:
    fields = [field("float", "score"), field("float[2]", "embedding"), field("text", "label")]
    raw = {
        "label": np.array(["a", "b"]), "score": np.array([1.0, 2.0]), "other": [None, None],
        "embedding": np.array([[1.0, 2.0], [3.0, 4.0]], np.float32),
    }  # fmt: skip
    frame = pd.DataFrame({**raw, "embedding": list(raw["embedding"])})
    expected = {"score": [1, 2], "embedding": [[1, 2], [3, 4]], "label": ["a", "b"]}
    for given_ in (raw, frame):
        assert {name: column.to_pylist() for name, column in conform(given_, fields, 2).items()} == expected
    with pytest.raises(ModelError, match="gives label, other, score, but not the declared embedding"):
        conform({name: raw[name] for name in ("label", "score", "other")}, fields, 2)


def test_a_frame_of_numbered_columns_is_an_array() -> None:
    found = conform(pd.DataFrame(np.arange(4.0).reshape(2, 2)), [field("double", "a"), field("double", "b")], 2)
    assert found["b"].to_pylist() == [1, 3]
    assert conform(pd.DataFrame(np.arange(2.0)), [field("double", "a")], 2)["a"].to_pylist() == [0, 1]


def test_a_single_entry_of_another_name_is_the_single_field() -> None:
    assert one(pd.DataFrame({"variable": np.array([[1.0], [2.0]])[:, 0]}), "float", 2).to_pylist() == [1, 2]
    assert one({"variable": np.array([[1.0], [2.0]])}, "float", 2).to_pylist() == [1, 2]


def test_missing_values_stay_missing_and_nan_stays_nan() -> None:
    assert one([1.0, None, float("nan")], "float", 3).null_count == 1
    assert one(pd.Series([1.0, np.nan]), "double", 2).null_count == 0
    assert one(pd.Series(["a", None, np.nan], dtype=object), "text", 3).to_pylist() == ["a", None, None]
    assert one([None, None], "integer", 2).null_count == 2
    assert one([[1.0, 2.0], None], "float[2]", 2).to_pylist() == [[1, 2], None]


def test_labels_of_any_text_type_become_strings() -> None:
    for raw in (np.array(["a", "b"]), np.array(["a", "b"], object), ["a", "b"], pd.Series(["a", "b"]),
                pd.Series(["a", "b"], dtype="category"), pa.array(["a", "b"], pa.large_string())):  # fmt: skip
        found = one(raw, "text", 2)
        assert (found.type, found.to_pylist()) == (pa.string(), ["a", "b"])


def test_integers_widen_only_as_far_as_they_are_held_exactly() -> None:
    assert one(np.array([1, 2], np.int32), "integer", 2).type == pa.int64()
    assert one(np.array([1, 2]), "double", 2).to_pylist() == [1, 2]
    with pytest.raises(ModelError, match="int64 where score: double is declared"):
        one(np.array([2**53 + 1, 2]), "double", 2)
    with pytest.raises(ModelError, match="uint64 where score: integer"):
        one(np.array([2**63], np.uint64), "integer", 1)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (np.array([0.5]), "integer"),
        (np.array([True]), "integer"),
        (np.array([1]), "boolean"),
        (np.array([1.0]), "text"),
        (np.array(["1"]), "float"),
        (np.array([b"a"]), "text"),
        (np.array([1j]), "double"),
        (["a", 1], "text"),
        (np.array(["2026-01-01"], "datetime64[s]"), "integer"),
        ([object()], "float"),
        ([[1, "a"]], "float[2]"),
        ([1.0], "float[1]"),
        ([["a"]], "float[1]"),
    ],
)
def test_another_type_is_refused_with_both_named(raw: Any, text: str) -> None:
    with pytest.raises(ModelError, match=r"the model gave .* where score: " + text.replace("[", r"\[")):
        one(raw, text, len(raw))


@pytest.mark.parametrize(
    ("raw", "texts"),
    [
        (np.zeros(4), ["float"]),
        (np.zeros((3, 2)), ["float"]),
        (np.zeros((3, 2)), ["float[3]"]),
        (np.zeros((3, 2, 1)), ["float"]),
        (np.zeros((3, 2)), ["float", "float", "float"]),
        (np.zeros(3), ["float", "float"]),
        (np.zeros((3, 2)), ["float", "float[1]"]),
        (np.float64(1), ["float"]),
        ([1.0, 2.0], ["float"]),
        ([[1.0], [1.0, 2.0], [1.0]], ["float[1]"]),
        (np.zeros((2, 3)), ["float", "float"]),
    ],
)
def test_another_shape_is_refused_with_shape_and_declaration(raw: Any, texts: list[str]) -> None:
    fields = [field(text, f"s{place}") for place, text in enumerate(texts)]
    with pytest.raises(ModelError, match=r"shape \(.*\) for 3 rows, declared is s0: float"):
        conform(raw, fields, 3)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (np.empty(0, np.float32), "float"),
        (np.empty((0, 3)), "double[3]"),
        (np.empty(0, object), "text"),
        ([], "boolean"),
    ],
)
def test_no_rows_conform_to_every_declaration(raw: Any, text: str) -> None:
    found = one(raw, text, 0)
    assert (len(found), found.type) == (0, field(text).kind)


@given(st.integers(0, 50), st.integers(1, 8), st.booleans())
def test_every_row_of_a_vector_stays_with_its_row(rows: int, width: int, double: bool) -> None:
    raw = np.arange(rows * width, dtype=np.float64 if double else np.float32).reshape(rows, width)
    found = one(np.asfortranarray(raw), f"{'double' if double else 'float'}[{width}]", rows)
    assert found.to_pylist() == raw.tolist()


def test_conforming_a_chunk_costs_next_to_nothing() -> None:
    raw = np.random.default_rng(0).random((65_536, 16), np.float32)
    fields = [field("float[16]")]
    conform(raw, fields, len(raw))
    began = time.process_time()
    for _ in range(20):
        conform(raw, fields, len(raw))
    assert (time.process_time() - began) / 20 < 0.005
