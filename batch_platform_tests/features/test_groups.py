"""The models of all components together: in what order they come, and what a test says that belongs to none."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.features.catalog import Catalog
from batch_platform.features.groups import Group, read_groups
from batch_platform.timelines import Timeline
from batch_platform_tests.features.projects import CONTRACT, DAYS, read_project, write

PORTS = "SELECT airport, runways FROM {{ source('snapshots', 'airports') }}"
ONE = "SELECT 1 AS x"
TO = (
    "models:\n  - name: {name}\n    columns:\n      - name: {column}\n        data_tests:\n"
    "          - relationships: {{to: ref('{to}'), field: {field}}}\n"
)


def _to(name: str, to: str, column: str = "x", field: str = "x") -> str:
    return TO.format(name=name, to=to, column=column, field=field)


def _refused(root: Path, files: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as told:
        read_project(root, files)
    return str(told.value).replace(str(root), "")


@pytest.mark.parametrize(("fact", "dimension"), [("a_fact", "z_dim"), ("z_fact", "a_dim")])
def test_a_model_comes_after_what_its_tests_read_whatever_the_names(tmp_path: Path, fact: str, dimension: str) -> None:
    rule = f"not_null, {{relationships: {{to: ref('{dimension}'), field: airport}}}}"
    files = {
        f"models/{fact}.sql": DAYS,
        f"models/{dimension}.sql": PORTS,
        "models/schema.yml": CONTRACT.format(name=fact).replace("not_null", rule),
    }
    tables = read_project(tmp_path, files)
    assert list(tables) == [dimension, fact]
    assert [rule.name for rule in tables[fact].contract.set_rules] == [
        f"flight: relationships(features/{dimension}, airport)"
    ]
    assert not tables[dimension].contract.queries


def test_what_a_test_of_the_project_reads_by_itself_comes_before(tmp_path: Path) -> None:
    block = (
        "{% test known(model, column_name) %}SELECT * FROM {{ model }} WHERE {{ column_name }} NOT IN "
        "(SELECT x FROM {{ ref('z') }}){% endtest %}"
    )
    schema = "models:\n  - name: a\n    columns:\n      - {name: x, data_tests: [known]}\n"
    files = {"models/a.sql": ONE, "models/z.sql": ONE, "tests/generic/known.sql": block, "models/schema.yml": schema}
    tables = read_project(tmp_path, files)
    assert list(tables) == ["z", "a"] and [query.name for query in tables["a"].contract.queries] == ["x: known()"]


def test_two_models_that_test_each_other_are_ordered_by_name(tmp_path: Path) -> None:
    schema = _to("a", "b") + _to("b", "a").removeprefix("models:\n")
    tables = read_project(tmp_path, {"models/a.sql": ONE, "models/b.sql": ONE, "models/schema.yml": schema})
    assert list(tables) == ["b", "a"]
    assert [rule.name for rule in tables["a"].contract.set_rules] == ["x: relationships(features/b, x)"]
    assert [query.name for query in tables["a"].contract.queries] == ["features/b: x: relationships(features/a, x)"]


@pytest.mark.parametrize("name", ["a_ports", "z_ports"])
def test_a_singular_test_belongs_to_the_table_with_partitions(tmp_path: Path, name: str) -> None:
    files = {
        "models/days.sql": DAYS,
        f"models/{name}.sql": PORTS,
        "models/schema.yml": CONTRACT.format(name="days"),
        "tests/t.sql": f"SELECT 1 FROM {{{{ ref('days') }}}} JOIN {{{{ ref('{name}') }}}} ON airport = flight",
    }
    tables = read_project(tmp_path, files)
    assert [query.name for query in tables["days"].contract.queries] == ["t"]
    assert not tables[name].contract.queries


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"tests/t.sql": "SELECT 1 AS x"}, "/shop/tests/t.sql:1: the test reads no model (name one with ref())"),
        (
            {"seeds/s.csv": "x\n1\n", "tests/t.sql": "SELECT *\nFROM {{ ref('s') }}"},
            "/shop/tests/t.sql:2: the test reads seeds/s and no model",
        ),
        (
            {"models/e.sql": "{{ config(materialized='ephemeral') }} SELECT 1 AS x", "tests/t.sql": "\n{{ ref('e') }}"},
            "/shop/tests/t.sql:2: the test reads features/e, which is ephemeral",
        ),
        (
            {
                "models/e.sql": "{{ config(materialized='ephemeral') }} SELECT * FROM {{ ref('a') }}",
                "tests/t.sql": "SELECT * FROM {{ ref('a') }} JOIN {{ ref('e') }} USING (x)",
            },
            "/shop/tests/t.sql:1: the test reads features/e, which is made from features/a and ephemeral",
        ),
        (
            {"models/off.sql": "{{ config(enabled=false) }} SELECT 1 AS x", "models/schema.yml": _to("a", "off")},
            "/shop/models/schema.yml:6: ref('off') is disabled",
        ),
    ],
)
def test_a_test_that_nothing_would_run_is_refused_where_it_stands(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    assert said in _refused(tmp_path, {"models/a.sql": ONE, **files})


def test_a_test_of_a_folder_that_no_component_names_says_so(tmp_path: Path) -> None:
    files = {"models/m/a.sql": ONE, "models/n/b.sql": ONE, "tests/t.sql": "SELECT * FROM {{ ref('b') }}"}
    write(tmp_path / "shop", files)
    ports = {"snapshots/airports": Timeline("snapshots/airports", None, None)}
    with pytest.raises(ConfigurationError, match=r"t\.sql:1: the test reads features/b, which no component declares"):
        read_groups([Group("shop", "m", "0d", "1%", nullcontext)], Catalog(ports, {}), tmp_path)
