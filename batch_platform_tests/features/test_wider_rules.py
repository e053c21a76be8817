"""Rules that read several tables: whose building evaluates them, and what is refused when definitions load."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.contracts.rules import Severity
from batch_platform.errors import ConfigurationError
from batch_platform_tests.features.projects import CONTRACT, DAYS, read_project
from batch_platform_tests.features.test_groups import ONE, PORTS, _refused, _to

EPHEMERAL = "{{ config(materialized='ephemeral') }} "
BLOCK = (
    "{%% test neg(model, column_name) %%}{{ config(%s) }} SELECT * FROM {{ model }} WHERE {{ column_name }} < 0"
    "{%% endtest %%}"
)
TESTED = "models:\n  - name: a\n    columns:\n      - {name: x, data_tests: [%s]}\n"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"models/e.sql": EPHEMERAL + ONE, "models/schema.yml": TESTED.replace("a\n", "e\n", 1) % "not_null"},
            "/shop/models/schema.yml:4: e is ephemeral, so nothing tests it (materialize it as a view",
        ),
        (
            {"models/e.sql": EPHEMERAL + "SELECT * FROM {{ ref('a') }}", "models/schema.yml": _to("a", "e")},
            "/shop/models/schema.yml:6: x: relationships(features/e, x) reads features/e, which is made from",
        ),
        (
            {"models/b.sql": ONE, "models/schema.yml": _to("a", "b", field="nope")},
            "/shop/models/schema.yml:6: features/b has no column nope (it has x)",
        ),
        (
            {
                "models/b.sql": "SELECT x AS y FROM {{ ref('a') }}",
                "models/schema.yml": _to("a", "b", field="nope"),
            },
            "/shop/models/schema.yml:6: features/a: x: relationships(features/b, nope): Binder Error",
        ),
        ({"tests/t.sql": "SELECT x\nFROM {{ ref('a') }}\nWHERE nope"}, "/shop/tests/t.sql:3: t: Binder Error"),
        (
            {"tests/generic/n.sql": BLOCK.replace("< 0", "< nope") % "", "models/schema.yml": TESTED % "neg"},
            "/shop/models/schema.yml:4: x: neg(): Binder Error",
        ),
        (
            {"tests/generic/n.sql": BLOCK % "limit=3", "models/schema.yml": TESTED % "neg"},
            "/shop/models/schema.yml:4: neg: neg: limit would not be enforced",
        ),
        *(
            (
                {"tests/t.sql": f"\n{{{{ config({name}={value}) }}}} SELECT * FROM {{{{ ref('a') }}}}"},
                f"/shop/tests/t.sql:2: t: {name} would not be enforced",
            )
            for name, value in {
                "where": "'x > 1'", "limit": 1, "warn_if": "'>5'", "error_if": "'>5'", "fail_calc": "'sum(x)'"
            }.items()
        ),
        (
            {"tests/t.sql": "{{ config(severity='loud') }} SELECT * FROM {{ ref('a') }}"},
            "/shop/tests/t.sql:1: t: unknown severity 'loud' (use error or warn)",
        ),
    ],
)  # fmt: skip
def test_what_no_rows_are_needed_for_is_told_when_definitions_load(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    assert said in _refused(tmp_path, {"models/a.sql": ONE, **files})


@pytest.mark.parametrize("to", ["ref('days')", "source('snapshots', 'flights')"])
def test_a_table_without_partitions_is_not_tested_against_one_with(tmp_path: Path, to: str) -> None:
    rule = f'{{relationships: {{to: "{to}", field: flight}}}}'
    ports = f"  - name: ports\n    columns:\n      - name: airport\n        data_tests: [{rule}]\n"
    schema = CONTRACT.format(name="days") + ports
    files = {"models/days.sql": DAYS, "models/ports.sql": PORTS, "models/schema.yml": schema}
    told = _refused(tmp_path, files)
    assert told.startswith("/shop/models/schema.yml:10: the test reads ") and "has partitions" in told


@pytest.mark.parametrize(
    ("block", "property_file", "severities"),
    [
        ("severity='warn'", "neg", [Severity.WARN]),
        ("severity='warn'", "{neg: {severity: error}}", [Severity.ERROR]),
        ("severity='warn'", "{neg: {config: {severity: error}}}", [Severity.ERROR]),
        ("", "{neg: {severity: warn}}", [Severity.WARN]),
        ("enabled=false", "neg", []),
        ("enabled=false", "{test_name: neg, enabled: true}", [Severity.ERROR]),
    ],
)
def test_a_property_file_has_the_word_over_a_tests_block(
    tmp_path: Path, block: str, property_file: str, severities: list[Severity]
) -> None:
    files = {
        "models/a.sql": ONE,
        "tests/generic/n.sql": BLOCK % block,
        "models/schema.yml": TESTED % property_file,
    }
    queries = read_project(tmp_path, files)["a"].contract.queries
    assert [query.severity for query in queries] == severities


def test_a_disabled_singular_test_is_left_out(tmp_path: Path) -> None:
    files = {"models/a.sql": ONE, "tests/t.sql": "{{ config(enabled=false) }} SELECT * FROM {{ ref('a') }}"}
    assert not read_project(tmp_path, files)["a"].contract.queries


def test_where_a_test_stands_is_no_part_of_the_contract(tmp_path: Path) -> None:
    files = {"models/a.sql": ONE, "tests/generic/n.sql": BLOCK % "", "models/schema.yml": TESTED % "neg"}
    before = read_project(tmp_path, files)["a"].contract
    files["models/schema.yml"] = "\n\n" + files["models/schema.yml"]
    after = read_project(tmp_path, files)["a"].contract
    assert before.digest == after.digest and before.queries == after.queries
    assert before.queries[0].origin.place != after.queries[0].origin.place


def test_a_moved_rule_knows_where_it_comes_from(tmp_path: Path) -> None:
    files = {
        "models/a.sql": ONE,
        "models/b.sql": "SELECT * FROM {{ ref('a') }}",
        "models/schema.yml": _to("a", "b"),
    }
    (query,) = read_project(tmp_path, files)["b"].contract.queries
    assert query.origin.moved_from == "features/a"
    assert query.origin.place == f"{tmp_path}/shop/models/schema.yml:6"


def test_models_in_a_circle_are_told_before_their_tests(tmp_path: Path) -> None:
    files = {"models/a.sql": "SELECT * FROM {{ ref('b') }}", "models/b.sql": "SELECT * FROM {{ ref('a') }}"}
    with pytest.raises(ConfigurationError, match="models read one another in a circle: a reads b reads a"):
        read_project(tmp_path, files)
