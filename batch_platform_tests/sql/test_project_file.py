"""The project file: what it says is read, and what it cannot mean here is refused at its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.sql.refusals import CONFIG_KEYS, PROJECT_IGNORED, PROJECT_KEYS
from batch_platform_tests.sql.projects import project_of, refusal

ONE = "SELECT 1 AS id"


def test_folders_lie_where_the_file_says(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        dbt_project_yml="""
            name: shop
            model-paths: [transformations, more/models]
            seed-paths: [data]
            macro-paths: [functions]
            test-paths: [checks]
            docs-paths: [notes]
            """,
        transformations__a__one_sql="SELECT {{ two() }} FROM {{ ref('codes') }}",
        more__models__two_sql=ONE,
        functions__x__m_sql="{% macro two() %}2{% endmacro %}",
        data__codes_csv="id\n1\n",
        checks__t_sql="SELECT * FROM {{ ref('two') }} WHERE id < 0",
        notes__d_md="{% docs d %}x{% enddocs %}",
        models__elsewhere_sql=ONE,
    )
    assert set(project.model_files) == {"one", "two"}
    assert project.model("one").compile(None) == 'SELECT 2 FROM "seeds"."codes"'
    assert [test.inputs for test in project.singular_tests()] == [("features/two",)]
    assert project.docs == {"d": "x"}


def test_vars_of_the_project_come_before_global_ones(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        dbt_project_yml="name: shop\nvars:\n  a: 1\n  b: [x, y]\n  day: 2024-01-02\n  shop: {a: 2}\n",
        models__one_sql="{{ var('a') }} {{ var('b')[1] }} {{ var('c', 3) }} '{{ var('day') }}' {{ var.has_var('c') }}",
    )
    assert project.model("one").compile(None) == "2 y 3 '2024-01-02' False"


def test_a_var_that_is_not_set_is_refused_by_name(tmp_path: Path) -> None:
    message = refusal(tmp_path, models__one_sql="SELECT\n{{ var('rate') }}")
    assert message.startswith("models/one.sql:2: var 'rate' is not set (set it under vars in dbt_project.yml")


@given(value=st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs")), max_size=30))
def test_a_var_is_never_a_template(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    """Whatever a var holds stands in the SQL as it is: braces in it are text."""
    import yaml

    root = tmp_path_factory.mktemp("vars")
    text = "{{ 7 * 7 }}" + value.replace("'", "") + "{% if %}{#"
    project = project_of(
        root,
        dbt_project_yml=yaml.safe_dump({"name": "shop", "vars": {"value": text}}),
        macros__m_sql="{% macro same(x) %}{{ x }}{% endmacro %}",
        models__one_sql="SELECT '{{ var('value') }}', '{{ same(var('value')) }}'",
    )
    assert project.model("one").compile(None) == f"SELECT '{text}', '{text}'"


@pytest.mark.parametrize("key", sorted(PROJECT_KEYS))
def test_keys_of_dbt_are_refused_by_name(tmp_path: Path, key: str) -> None:
    message = refusal(tmp_path, dbt_project_yml=f"name: shop\n{key}: ['x']\n")
    assert message == f"dbt_project.yml:2: {key} {PROJECT_KEYS[key].what} ({PROJECT_KEYS[key].fix})"


@pytest.mark.parametrize("key", sorted(PROJECT_IGNORED - {"snapshot-paths"}))
def test_keys_about_how_dbt_runs_are_fine(tmp_path: Path, key: str) -> None:
    project = project_of(tmp_path, dbt_project_yml=f"name: shop\n{key}: x\n", models__one_sql=ONE)
    assert len(project.models()) == 1


@pytest.mark.parametrize("setting", sorted({name.replace("_", "-") for name in CONFIG_KEYS} | set(CONFIG_KEYS)))
def test_settings_of_dbt_are_refused_by_name(tmp_path: Path, setting: str) -> None:
    message = refusal(
        tmp_path, dbt_project_yml=f"name: shop\nmodels:\n  shop:\n    +{setting}: x\n", models__one_sql=ONE
    )
    plain = setting.replace("-", "_")
    assert message == f"dbt_project.yml:4: {plain} {CONFIG_KEYS[plain].what} ({CONFIG_KEYS[plain].fix})"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "dbt_project.yml:1: the file says nothing"),
        ("version: 1", "dbt_project.yml:1: the project needs name"),
        ("name: 1", "dbt_project.yml:1: name must be text"),
        ("name: a-b", "dbt_project.yml:1: 'a-b' is not a project's name"),
        ("name: shop\nmodel-path: [x]", "dbt_project.yml:2: the project has no key model-path"),
        ("name: shop\nmodel-paths: x", "dbt_project.yml:2: model-paths must be a list"),
        ("name: shop\nmodel-paths: [../x]", "dbt_project.yml:2: '../x' is not a folder of the project"),
        ("name: shop\nmodel-paths: [/etc]", "dbt_project.yml:2: '/etc' is not a folder of the project"),
        ("name: shop\nmodels:\n  other: {+tags: x}", "dbt_project.yml:3: 'other' is not the name of this project"),
        ("name: shop\nmodels:\n  shop:\n    b: {+tags: x}", "dbt_project.yml:4: there is no b to configure"),
        ("name: shop\nmodels:\n  shop:\n    +tag: x", "dbt_project.yml:4: config() has no '+tag'"),
        ("name: shop\nmodels:\n  shop:\n    +tags: 3", "dbt_project.yml:4: tags is 3"),
        ("name: shop\nmodels:\n  +materialized: cube", "dbt_project.yml:3: materialized is 'cube'"),
        ("name: shop\nmodels:\n  +enabled: 'yes'", "dbt_project.yml:3: enabled is 'yes'"),
        ("name: shop\nmodels:\n  +tags: a\n  tags: b", "dbt_project.yml:4: tags is given twice"),
        ("name: shop\nmodels:\n  +tags: '{{ x }}'", "dbt_project.yml:3: '{{ x }}' is a template"),
        ("name: shop\ndata_tests:\n  +severity: warn", "dbt_project.yml:3: data_tests is not read"),
        ("name: shop\nname: mart", "dbt_project.yml:2: name is given twice"),
        ("name: [", "dbt_project.yml:"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_line(tmp_path: Path, text: str, said: str) -> None:
    assert refusal(tmp_path, dbt_project_yml=text, models__a__one_sql=ONE).startswith(said)
