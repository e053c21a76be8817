"""What stands beside columns and tests: prose, tags, owners, freshness."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.contracts import schema_yml
from batch_platform.contracts.table_rules import Freshness
from batch_platform.errors import ConfigurationError
from batch_platform_tests.contracts.examples import entry_of

EVERYTHING = """\
models:
  - name: m
    description: "{{ doc('flights') }} of a day"
    config: {materialized: table, tags: [nightly, raw], meta: {owner: "team:flights"}}
    tags: nightly
    docs: {show: true}
    access: protected
    group: flights
    latest_version: 1
    freshness: {column: at, max_age: 36 hours}
    columns:
      - {name: id, data_type: BIGINT, quote: true, tags: [x], config: {meta: {role: key}}}
      - {name: at, data_type: TIMESTAMPTZ, description: '{{doc("at")}}'}
"""


def test_what_dbt_says_beside_columns_and_tests_is_understood(tmp_path: Path) -> None:
    docs = {"flights": "All flights", "at": "When"}
    contract = schema_yml.contract_of(entry_of(tmp_path, EVERYTHING), None, docs.__getitem__)
    assert contract.description == "All flights of a day" and contract.column("at").description == "When"
    assert contract.tags == ("nightly", "raw") and contract.owners == ("team:flights",)
    assert contract.key == ("id",)
    assert contract.rules == (Freshness("at", 36 * 3600),)
    assert contract.rules[0].name == "at: freshness(36 hours)"


@pytest.mark.parametrize(
    ("before", "after", "line", "what"),
    [
        ("doc('flights')", "doc('trains')", 3, "there is no docs block trains"),
        ("column: at", "column: id", 10, "freshness needs a date or a time; column id is BIGINT"),
        ("column: at", "column: then", 10, "freshness reads then"),
        ("36 hours", "1 month", 10, "'1 month' is no length of time"),
        ("column: at, ", "", 10, "freshness needs column"),
        ("nightly, raw", "nightly, 1", 4, "tags must be text"),
        ("    tags: nightly", "    meta: {a: 1}", 4, "meta is given twice"),
        ("    access: protected", "    colour: red", 7, "a model has no key colour"),
    ],
)
def test_what_stands_beside_and_cannot_be_meant_is_refused(
    tmp_path: Path, before: str, after: str, line: int, what: str
) -> None:
    docs = {"flights": "", "at": ""}
    with pytest.raises(ConfigurationError) as caught:
        schema_yml.contract_of(entry_of(tmp_path, EVERYTHING.replace(before, after)), None, docs.__getitem__)
    assert str(caught.value).startswith(f"{tmp_path / 'schema.yml'}:{line}: "), str(caught.value)
    assert what in str(caught.value)


def test_a_table_without_partitions_cannot_be_fresh(tmp_path: Path) -> None:
    docs = {"flights": "", "at": ""}
    with pytest.raises(ConfigurationError, match=r"schema\.yml:10: freshness needs a window"):
        schema_yml.contract_of(entry_of(tmp_path, EVERYTHING), None, docs.__getitem__, partitioned=False)
