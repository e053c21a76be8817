"""Tests in SQL: generic ones compile for any table, singular ones are found with what they read."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.errors import ConfigurationError
from batch_platform_tests.sql.projects import project_of, refusal

POSITIVE = """\
{% test positive(model, column_name, than=0) %}
{{ config(severity='warn') }}
SELECT * FROM {{ model }} WHERE {{ quoted(column_name) }} <= {{ than }}
{% endtest %}
"""
QUOTED = '{% macro quoted(name) %}"{{ name }}"{% endmacro %}'
ONE = "SELECT 1 AS id"


@pytest.mark.parametrize("place", ["tests__generic__positive_sql", "macros__positive_sql"])
def test_a_generic_test_compiles_for_a_table(tmp_path: Path, place: str) -> None:
    project = project_of(tmp_path, **{place: POSITIVE, "macros__q_sql": QUOTED})
    (test,) = project.generic_tests.values()
    assert (test.name, test.line, test.arguments) == ("positive", 1, ("model", "column_name", "than"))
    compiled = test.compile({"model": '"features"."one"', "column_name": "id", "than": 3})
    assert compiled.sql.strip() == 'SELECT * FROM "features"."one" WHERE "id" <= 3'
    assert compiled.settings["severity"].value == "warn" and compiled.inputs == ()
    assert project.singular_tests() == []


def test_a_generic_test_may_read_other_tables(tmp_path: Path) -> None:
    text = "{% data_test known(model, to) %}FROM {{ model }} ANTI JOIN {{ ref(to) }} USING (id){% enddata_test %}"
    project = project_of(tmp_path, macros__t_sql=text, seeds__codes_csv="id\n1\n")
    compiled = project.generic_tests["known"].compile({"model": "m", "to": "codes"}, spell=lambda table: f"<{table}>")
    assert (compiled.sql, compiled.inputs) == ("FROM m ANTI JOIN <seeds/codes> USING (id)", ("seeds/codes",))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"model": "m", "wrong": 1}, "macros/t.sql:2: macro 'test_bad' takes no keyword argument 'wrong'"),
        ({"model": "m"}, "macros/t.sql:4: parameter 'x' was not provided"),
        ({"model": "m", "x": "'open"}, "macros/t.sql: is not SQL"),
        ({"model": "m", "x": "random()"}, "macros/t.sql:2: random gives another result each time"),
    ],
)
def test_a_generic_test_that_fails_is_refused_at_its_line(
    tmp_path: Path, arguments: dict[str, object], said: str
) -> None:
    project = project_of(
        tmp_path, macros__t_sql="\n{% test bad(model, x) %}\nSELECT *\nFROM m WHERE {{ x }}{% endtest %}"
    )
    with pytest.raises(ConfigurationError) as caught:
        project.generic_tests["bad"].compile(arguments)
    assert str(caught.value).replace(f"{tmp_path}/", "").startswith(said)


def test_singular_tests_are_found_with_what_they_read(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        tests__x__few_sql="{{ config(severity='warn', warn_if='> 3') }}SELECT * FROM {{ ref('one') }} WHERE id < 0;",
        tests__all_sql="SELECT * FROM {{ source('snapshots', 'a') }} WHERE false",
        tests__off_sql="{{ config(enabled=false) }}SELECT 1",
        tests__t_yml="data_tests: [{name: few, config: {tags: x, severity: error}}, {name: all, config: {limit: 3}}]",
        models__one_sql=ONE,
    )
    every, few = project.singular_tests()
    assert (every.name, every.inputs, few.inputs) == ("all", ("snapshots/a",), ("features/one",))
    told = {name: setting.value for name, setting in few.settings.items()}
    assert told == {"severity": "warn", "tags": ["x"], "warn_if": "> 3"}
    assert few.compile() == 'SELECT * FROM "features"."one" WHERE id < 0'
    assert every.settings["limit"].value == 3


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"tests__t_sql": "SELECT *\nFROM {{ ref('X') }}"}, "tests/t.sql:2: 'X' is not a table name"),
        ({"tests__t_sql": "SELECT 1,\nnow()"}, "tests/t.sql:2: now gives another result each time"),
        (
            {"tests__t_sql": "\n{{ config(materialized='table') }}SELECT 1"},
            "tests/t.sql:2: config() has no",
        ),
        ({"tests__t_sql": "\n{{ config(store_failures=true) }}SELECT 1"}, "tests/t.sql:2: store_failures is for"),
        ({"tests__t_sql": "SELECT\n{{ this }}"}, "tests/t.sql:2: this is only there in a model"),
        ({"tests__t_sql": "SELECT\n{{ window.start }}"}, "tests/t.sql:2: window is only there in a model"),
        ({"tests__t_yml": "data_tests: [{name: absent}]"}, "tests/t.yml:1: there is no test 'absent'"),
        ({"macros__t_sql": "\n{% test t(column_name) %}{% endtest %}"}, "macros/t.sql:2: test t does not take a model"),
    ],
)
def test_a_test_that_is_wrong_is_refused_at_its_line(tmp_path: Path, files: dict[str, str], said: str) -> None:
    assert refusal(tmp_path, models__one_sql=ONE, **files).startswith(said)
