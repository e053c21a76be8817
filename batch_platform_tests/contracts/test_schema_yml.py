"""schema.yml: what each refusal names, and what the digest covers."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.errors import ConfigurationError
from batch_platform_tests.contracts.examples import EVERY_RULE, FLIGHTS, contract_of

REFUSED = [
    ("models:\n  - name: m\n    colums: []\n", 3, "has no key colums"),
    ("models:\n  - name: m\n", 2, "model m needs columns"),
    ("models:\n  - name: m\n    columns: []\n", 3, "declares no columns"),
    ("models:\n  - name: ../m\n    columns: []\n", 2, "is no name for a model"),
    ("models:\n  - [\n", 3, "is not YAML"),
    ("models:\n  - name: m\n    name: n\n", 3, "name is given twice"),
    ("models:\n  - name: m\n    tests: []\n    data_tests: []\n    columns: [{name: c, data_type: DATE}]\n",
     3, "are the same"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "what"), REFUSED)
def test_a_file_that_says_something_else_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, what: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        contract_of(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'schema.yml'}:{line}: "), str(caught.value)
    assert what in str(caught.value)


COLUMN = "models:\n  - name: m\n    columns:\n      - name: ok\n        data_type: DATE\n"


COLUMN_REFUSED = [
    ("      - name: ok\n        data_type: DATE\n", 6, "column ok is declared twice"),
    ("      - name: OK\n        data_type: DATE\n", 6, "column OK is declared twice"),
    ("      - name: _c\n        data_type: DATE\n", 6, "is no name for a column"),
    ("      - name: 7\n        data_type: DATE\n", 6, "must be text"),
    ("      - name: c\n", 6, "column c needs data_type"),
    ("      - name: c\n        data_type: DATE\n        meta:\n          persnl: true\n", 9, "no key persnl"),
    ("      - name: c\n        data_type: DATE\n        meta:\n          role: label\n", 9, "unknown role"),
    ("      - name: c\n        data_type: DATE\n        meta:\n          personal: 1\n", 9, "true or false"),
    *(
        (f"      - name: c\n        data_type: {kind}\n", 7, "column c: the lake does not store")
        for kind in (
            "HUGEINT", '"STRUCT(a INTEGER)"', '"MAP(VARCHAR, INTEGER)"', "INTERVAL", "TIME", "UUID", "BIT",
            '"ENUM(\'a\')"', '"VARCHAR[]"', "UBIGINT", "JSON", "BLOB", '"DECIMAL(39,1)"',
            "INTEGR",
            '"DECIMAL(3,4)"', "VARIANT", "TIMETZ", "TIMESTAMP_NS",
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "what"), COLUMN_REFUSED)
def test_a_column_that_cannot_be_meant_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, what: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        contract_of(tmp_path, COLUMN + text)
    assert str(caught.value).startswith(f"{tmp_path / 'schema.yml'}:{line}: "), str(caught.value)
    assert what in str(caught.value)


GOLDEN = {
    FLIGHTS: "06fcab14743d280a5e69151fa4b4e405af63dfeef7b6dd66cb54ee3a790c4e61",
    EVERY_RULE: "371d34df5c854095cf9ecafd461b2f027be5d9439a54e559f694165b7502646b",
}


@pytest.mark.parametrize("text", GOLDEN)
def test_the_digest_of_a_contract_stays_what_provenance_holds(tmp_path: Path, text: str) -> None:
    assert contract_of(tmp_path, text).digest == GOLDEN[text]


def test_the_digest_is_of_the_meaning_not_the_writing(tmp_path: Path) -> None:
    digest = contract_of(tmp_path, FLIGHTS).digest
    rewritten = (
        FLIGHTS.replace("data_tests:", "tests:")
        .replace("DOUBLE", "float8  # a comment")
        .replace(
            "[not_null, {accepted_values: {values: [AA, B6]}}",
            "[{accepted_values: {arguments: {values: [AA, 'B6']}}}, not_null",
        )
        .replace("min: 0,", "min: 0.0,")
        .replace("One row per scheduled flight.", "Flights.")
    )
    assert rewritten.count("arguments") == 1
    assert contract_of(tmp_path, rewritten).digest == digest


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("max: 5000}", "max: 5001}"),
        ("DOUBLE", "FLOAT"),
        ("role: feature", "role: carried"),
        ("unit: miles", "unit: kilometers"),
        (", personal: true", ""),
        ("arrival > departure", "arrival >= departure"),
        ("[AA, B6]", "[AA, B7]"),
        ("max: 1000", "max: 1001"),
        ("flight_features", "other"),
        ("min: 0, max: 5000", "min: 0, max: 5000, inclusive: false"),
        ("min: 0, max: 5000", "min: 0, max: 5000, severity: warn"),
        ("min: 0, max: 5000", "min: 0, max: 5000, where: flight_number > 1"),
        ("min: 0, max: 5000", "min: 0, max: 5000, name: near"),
    ],
)
def test_the_digest_changes_with_the_meaning(tmp_path: Path, before: str, after: str) -> None:
    assert before in FLIGHTS
    digest = contract_of(tmp_path, FLIGHTS).digest
    assert contract_of(tmp_path, FLIGHTS.replace(before, after)).digest != digest
