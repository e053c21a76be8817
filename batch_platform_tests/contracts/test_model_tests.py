"""Tests of the project's own: the template is rendered with the tested table, and becomes a query."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from batch_platform.contracts import schema_yml
from batch_platform.contracts.rules import Severity
from batch_platform.contracts.surroundings import Surroundings
from batch_platform.errors import ConfigurationError
from batch_platform_tests.contracts.examples import entry_of

GENERIC = """\
models:
  - name: m
    data_tests:
      - never_twice: {key: id, severity: warn}
    columns:
      - name: id
        data_type: BIGINT
        data_tests:
          - {known: {to: ref('ids'), where: "id > 1"}}
"""


def test_a_test_of_the_project_becomes_a_query(tmp_path: Path) -> None:
    def render(template: str, arguments: Mapping[str, object]) -> tuple[str, tuple[str, ...]]:
        return template.format(**arguments), ()

    around = Surroundings(
        generic_tests={
            "never_twice": "select {key} from {model} group by 1",
            "known": "select * from {model} where {column_name} not in (select id from {to})",
        },
        render=render,
    )
    contract = schema_yml.contract_of(entry_of(tmp_path, GENERIC), surroundings=around)
    twice, known = contract.queries
    assert (twice.name, twice.severity, twice.tables) == ("never_twice(key=id)", Severity.WARN, ("features/m",))
    assert known.name == "id: known(to=ref('ids')) where id > 1"
    assert contract.reads == ("features/ids",) and contract.row_rules == () and contract.warnings == (twice,)
    assert known.sql(lambda table: f"[{table}]") == (
        "select * from (SELECT * FROM [features/m] WHERE (id > 1\n)) AS dbt_subquery "
        "where id not in (select id from [features/ids])"
    )
    with pytest.raises(ConfigurationError, match=r"schema\.yml:9: unknown test known on column id \(use one of"):
        schema_yml.contract_of(entry_of(tmp_path, GENERIC))
