"""Constraints of a dbt model contract: the rules that they are, and what cannot be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.contracts.contract import Contract
from batch_platform.contracts.expressions import ExpressionIsTrue
from batch_platform.contracts.rules import NotNull
from batch_platform.contracts.set_rules import Relationship, Unique
from batch_platform.errors import ConfigurationError
from batch_platform_tests.contracts.examples import contract_of

PAIR = """\
models:
  - name: m
    config: {{contract: {{enforced: true}}}}
    constraints: [{model}]
    columns:
      - {{name: a, data_type: BIGINT, constraints: [{column}], data_tests: [{tests}]}}
      - {{name: b, data_type: BIGINT}}
"""


def declared(folder: Path, model: str = "", column: str = "", tests: str = "") -> Contract:
    return contract_of(folder, PAIR.format(model=model, column=column, tests=tests))


def test_constraints_of_a_column_are_its_rules(tmp_path: Path) -> None:
    column = (
        "{type: primary_key, warn_unenforced: false}, {type: check, expression: 'a > b', name: a above b},"
        " {type: foreign_key, to: ref('other'), to_columns: [id]}"
    )
    contract = declared(tmp_path, column=column)
    assert contract.column("a").rules == (
        Unique(("a",), combination=False),
        NotNull("a"),
        ExpressionIsTrue("a > b", ("a", "b"), label="a above b"),
        Relationship("a", "features/other", "id"),
    )
    assert not contract.column("a").nullable and contract.reads == ("features/other",)


def test_constraints_of_a_model_are_rules_on_its_columns(tmp_path: Path) -> None:
    model = (
        "{type: primary_key, columns: [a, b]}, {type: check, expression: a <> b},"
        " {type: foreign_key, columns: [b], to: ref('other'), to_columns: [id]}, {type: unique, columns: [b]}"
    )
    contract = declared(tmp_path, model=model)
    assert [rule.name for rule in contract.row_rules] == [
        "a: not_null",
        "b: not_null",
        "b: relationships(features/other, id)",
        "b: unique",
        "unique(a, b)",
        "expression_is_true(a <> b)",
    ]
    assert not contract.column("b").nullable


def test_a_constraint_that_a_test_declares_too_is_one_rule(tmp_path: Path) -> None:
    contract = declared(tmp_path, "{type: not_null, columns: [a]}", "{type: not_null}", "not_null")
    assert contract.row_rules == (NotNull("a"),)
    assert contract.digest == declared(tmp_path, tests="not_null").digest


@pytest.mark.parametrize(
    ("model", "column", "what"),
    [
        ("{type: custom, expression: x}", "", "4: unknown constraint custom"),
        ("{columns: [a]}", "", "4: a constraint needs type"),
        ("{type: unique}", "", "4: unique needs columns"),
        ("{type: not_null, columns: [c]}", "", "4: not_null reads c, which the model does not declare"),
        ("{type: check}", "", "4: check needs expression"),
        ("{type: check, expression: 'sum(a) > 1'}", "", "4: expression 'sum(a) > 1' aggregates rows"),
        ("{type: foreign_key, columns: [a, b], to: ref('x'), to_columns: [c, d]}", "", "4: a foreign_key of several"),
        ("", "{type: foreign_key, to: x, to_columns: [c]}", "6: foreign_key: 'x' names no table"),
        ("", "{type: foreign_key, expression: 'x (id)'}", "6: foreign_key needs to"),
        ("", "{type: not_null, severity: warn}", "6: a constraint has no key severity"),
    ],
)
def test_what_would_not_be_enforced_is_refused_with_its_line(
    tmp_path: Path, model: str, column: str, what: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        declared(tmp_path, model, column)
    assert str(caught.value).startswith(f"{tmp_path / 'schema.yml'}:{what}"), str(caught.value)
