"""Projects: what stands in the folder is found, what names stand for is decided, what cannot be meant is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.sql.config import Materialization
from batch_platform.sql.project import load_project
from batch_platform_tests.sql.projects import project_of, refusal, write

NAMED = "name: shop\n"


def test_a_folder_without_a_file_of_its_own_is_a_project(tmp_path: Path) -> None:
    project = project_of(tmp_path, models__a__one_sql="SELECT 1 AS id", seeds__codes_csv="id\n1\n")
    (one,) = project.models("a")
    assert (project.name, one.config.materialized) == ("", Materialization.TABLE)
    assert [seed.table for seed in project.seeds()] == ["seeds/codes"]


def test_with_a_file_models_are_views_unless_it_says_so(tmp_path: Path) -> None:
    files = {"models__one_sql": "SELECT 1 AS id", "models__two_sql": "{{ config(materialized='table') }}SELECT 1 AS id"}
    one, two = project_of(tmp_path, dbt_project_yml=NAMED, **files).models()
    assert (one.config.materialized, two.config.materialized) == (Materialization.VIEW, Materialization.TABLE)


def test_a_folder_has_the_models_below_it(tmp_path: Path) -> None:
    names = ("models__a__two_sql", "models__a__b__one_sql", "models__ab__three_sql", "models__four_sql")
    project = project_of(tmp_path, **dict.fromkeys(names, "SELECT 1 AS id"))
    assert [model.name for model in project.models("a")] == ["one", "two"]
    assert [model.name for model in project.models("a/b")] == ["one"]
    assert [model.name for model in project.models()] == ["four", "one", "three", "two"]
    with pytest.raises(ConfigurationError, match=r"models/c: the folder holds no SQL model"):
        project.models("c")


def test_ref_finds_models_and_seeds_and_leaves_others_to_their_owners(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        dbt_project_yml=NAMED,
        models__a_sql="SELECT * FROM {{ ref('codes') }}\nJOIN {{ ref('shop', 'b') }}\nJOIN {{ ref('elsewhere') }}",
        models__x__b_sql="SELECT 1 AS id",
        seeds__y__codes_csv="id\n1\n",
    )
    a = project.model("a")
    assert a.inputs == ("seeds/codes", "features/b", "features/elsewhere")
    assert [a.line_of(table) for table in a.inputs] == [1, 2, 3]


def test_sources_are_snapshots_under_the_names_that_property_files_give(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        models__one_sql="FROM {{ source('raw', 'orders') }}, {{ source('raw', 'b') }}, {{ source('snapshots', 'c') }}",
        models__sources_yml="""
            sources:
              - name: raw
                schema: main
                tables:
                  - {name: orders, identifier: shop_orders}
                  - name: b
            """,
    )
    assert project.model("one").inputs == ("snapshots/shop_orders", "snapshots/b", "snapshots/c")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("source('raw', 'x')", "source 'raw' has no table 'x' (it has orders)"),
        ("source('row', 'x')", "source('row', ...) is unknown"),
        ("ref('off')", "ref('off') is disabled (enable it, or do not read it)"),
        ("ref('off_within')", "ref('off_within') is disabled (enable it, or do not read it)"),
        ("ref('seed_off')", "ref('seed_off') is disabled (enable it, or do not read it)"),
    ],
)
def test_what_is_not_there_to_read_is_refused_at_its_line(tmp_path: Path, call: str, said: str) -> None:
    message = refusal(
        tmp_path,
        models__one_sql=f"SELECT *\nFROM {{{{ {call} }}}}",
        models__off_sql="SELECT 1 AS id",
        models__off_within_sql="{{ config(enabled=false) }}SELECT 1 AS id",
        seeds__seed_off_csv="id\n1\n",
        models__all_yml="""
            models: [{name: "off", config: {enabled: false}}]
            sources: [{name: raw, tables: [{name: orders}]}]
            """,
        seeds__all_yml="seeds: [{name: seed_off, config: {enabled: false}}]",
    )
    assert message.startswith(f"models/one.sql:2: {said}")


def test_a_models_own_config_has_the_last_word_on_whether_it_is_there(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        models__one_sql="FROM {{ ref('two') }}",
        models__two_sql="{{ config(enabled=true) }}SELECT 1 AS id",
        models__x_yml="models: [{name: two, config: {enabled: false}}]",
    )
    assert [model.name for model in project.models()] == ["one", "two"]


def test_a_test_of_a_disabled_model_is_refused(tmp_path: Path) -> None:
    off = {"models__off_sql": "{{ config(enabled=false) }}SELECT 1 AS id", "models__one_sql": "SELECT 1 AS id"}
    message = refusal(tmp_path, tests__t_sql="FROM {{ ref('off') }}", **off)
    assert message == "tests/t.sql:1: reads features/off, which is disabled (enable it, or disable the test)"


def test_what_is_disabled_is_left_out(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        models__one_sql="SELECT 1 AS id",
        models__two_sql="{{ config(enabled=false) }}SELECT * FROM {{ ref('three') }}",
        models__three_sql="{{ config(enabled=var('no', false)) }}SELECT 1 AS id",
    )
    assert [model.name for model in project.models()] == ["one"]


def test_settings_come_from_folders_then_property_files_then_the_model(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        dbt_project_yml="""
            name: shop
            models:
              +meta: {a: 1, b: 1}
              shop:
                +materialized: table
                +tags: outer
                +schema: staging
                a:
                  +tags: [inner]
                  materialized: ephemeral
                  one: {+cadence: weekly}
            """,
        models__a__one_sql="{{ config(tags='own', meta={'c': 3}, key='id') }}SELECT 1 AS id",
        models__a__two_sql="SELECT 1 AS id",
        models__three_sql="SELECT 1 AS id",
        models__schema_yml="""
            models:
              - name: one
                meta: {b: 2}
                config: {tags: [described, outer], materialized: table, contract: {enforced: true}}
            """,
    )
    one, three, two = project.models()
    assert (one.config.materialized, two.config.materialized) == (Materialization.TABLE, Materialization.EPHEMERAL)
    assert three.config.materialized is Materialization.TABLE
    assert one.config.tags == ("outer", "inner", "described", "own")
    assert dict(one.config.meta) == {"a": 1, "b": 2, "c": 3}
    assert (one.config.cadence, two.config.cadence, one.key) == ("weekly", None, ("id",))
    assert one.config.contract_enforced and not two.config.contract_enforced


def test_a_template_sees_the_settings_of_all_files(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        dbt_project_yml=NAMED + "models: {shop: {+tags: [a]}}",
        models__one_sql="SELECT {{ config.get('tags') | length }}, {{ config.get('unique_key') }}",
        models__schema_yml="models: [{name: one, config: {unique_key: id, tags: b}}]",
    )
    assert project.model("one").compile(None) == "SELECT 2, id"


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    one = refusal(tmp_path / "1", models__a__one_sql="SELECT 1", models__b__one_sql="SELECT 1")
    assert one.startswith("models/b/one.sql: models/a/one.sql has the same name")
    two = refusal(tmp_path / "2", models__one_sql="SELECT 1", seeds__one_csv="id\n")
    assert two.startswith("models/one.sql: seeds/one.csv is called like this model")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"packages_yml": "packages:\n  - package: dbt-labs/dbt_utils\n"},
            "packages.yml:2: packages are not installed",
        ),
        ({"dependencies_yml": "projects:\n  - name: other\n"}, "dependencies.yml:2: projects are not installed"),
        ({"models__two_py": "def model(dbt, session): ..."}, "models/two.py: models in Python are not supported"),
        ({"snapshots__s_sql": "{% snapshot s %}{% endsnapshot %}"}, "snapshots/s.sql: {% snapshot %} is not supported"),
        ({"models__x_yml": "models: [{name: absent}]"}, "models/x.yml:1: there is no model 'absent'"),
        ({"models__x_yml": "seeds: [{name: absent}]"}, "models/x.yml:1: there is no seed 'absent'"),
        (
            {"models__x_yml": "models:\n  - name: one\n    config:\n      alias: x\n"},
            "models/x.yml:4: alias would give",
        ),
        ({"models__Two_sql": "SELECT 1"}, "models/Two.sql: 'Two' is not a table name"),
    ],
)
def test_what_dbt_has_and_this_has_not_is_refused_by_name(tmp_path: Path, files: dict[str, str], said: str) -> None:
    assert refusal(tmp_path, models__one_sql="SELECT 1 AS id", **files).startswith(said)


def test_a_project_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="the project's folder does not exist"):
        load_project(tmp_path / "absent")


def test_files_that_say_nothing_of_packages_are_fine(tmp_path: Path) -> None:
    project = project_of(tmp_path, packages_yml="packages: []", dependencies_yml="", models__one_sql="SELECT 1 AS id")
    assert len(project.models()) == 1


def test_hidden_files_are_no_models(tmp_path: Path) -> None:
    write(tmp_path, models__one_sql="SELECT 1 AS id")
    (tmp_path / "models" / ".checkpoints").mkdir()
    (tmp_path / "models" / ".checkpoints" / "two.sql").write_text("no model")
    assert set(load_project(tmp_path).model_files) == {"one"}


def test_descriptions_name_docs_blocks(tmp_path: Path) -> None:
    project = project_of(tmp_path, models__d_md="{% docs a %}\nText {{ 1 }}.\n{% enddocs %}", dbt_project_yml=NAMED)
    assert project.described("It: {{ doc('a') }}", "f:1") == project.described("It: {{ doc('shop', 'a') }}", "f:1")
    assert project.described("It: {{ doc('a') }}", "f:1") == "It: Text {{ 1 }}."


DIGEST = {
    "dbt_project_yml": "name: shop\nvars: {a: 1, b: 1}\n",
    "macros__m_sql": (
        "{% macro one() %}{{ _two() }}{% endmacro %}\n{% macro _two() %}2{% endmacro %}\n"
        "{% macro other() %}3{% endmacro %}"
    ),
    "models__m_sql": "SELECT {{ one() }} AS x, {{ var('a') }} AS y, {{ var('c', 1) }} AS z, 1 AS other",
}


@pytest.mark.parametrize(
    ("name", "old", "new", "changes"),
    [
        ("models__m_sql", "AS x", "AS xx", True),
        ("models__m_sql", "SELECT", "-- reviewed\nSELECT", True),
        ("macros__m_sql", "}2{", "}22{", True),
        ("macros__m_sql", "}3{", "}33{", False),
        ("macros__m_sql", "{% macro other", "\n{# a comment #}\n{% macro other", False),
        ("dbt_project_yml", "a: 1", "a: 2", True),
        ("dbt_project_yml", "b: 1", "b: 2", False),
        ("dbt_project_yml", "b: 1", "b: 1, c: 2", True),
        ("dbt_project_yml", "vars", "models: {+tags: a, +materialized: table}\nvars", False),
        ("dbt_project_yml", "vars", "models: {+unique_key: x}\nvars", True),
        ("dbt_project_yml", "vars", "models: {+materialized: incremental}\nvars", True),
        ("models__m_sql", "{{ one() }}", "{{ shop.one() }}", True),
    ],
)
def test_the_digest_is_of_all_that_decides_about_rows(
    tmp_path: Path, name: str, old: str, new: str, changes: bool
) -> None:
    before = project_of(tmp_path / "before", **DIGEST).model("m").digest
    assert old in DIGEST[name]
    after = project_of(tmp_path / "after", **{**DIGEST, name: DIGEST[name].replace(old, new, 1)}).model("m").digest
    assert (before != after) == changes


def test_a_macro_that_is_reached_through_the_projects_name_counts(tmp_path: Path) -> None:
    digests: set[str] = set()
    helper = "{% macro helper(p) %}{{ p.one() }}{% endmacro %}"
    for call in ("shop.one()", "shop['one']()", "helper(shop)"):
        for value in "12":
            files = {
                "dbt_project_yml": NAMED,
                "macros__m_sql": f"{{% macro one() %}}{value}{{% endmacro %}}{helper}",
                "models__m_sql": f"SELECT {{{{ {call} }}}}",
            }
            digests.add(project_of(tmp_path / f"{len(digests)}", **files).model("m").digest)
    assert len(digests) == 6
