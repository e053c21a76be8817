"""Macros: they call one another, give text or values, and an error in one stands at its own line."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from batch_platform.partitions import Window
from batch_platform.sql.macros import RESERVED
from batch_platform_tests.sql.projects import project_of, refusal


def compiled(root: Path, macros: str, template: str) -> str:
    project = project_of(root, dbt_project_yml="name: shop", macros__a__m_sql=macros, models__one_sql=template)
    return project.model("one").compile(None)


@pytest.mark.parametrize(
    ("macros", "template", "sql"),
    [
        (
            "{% macro a(x, y=2) %}{{ x }}+{{ y }}{% endmacro %}",
            "{{ a(1, y=3) }} {{ shop.a(4) }}",
            "1+3 4+2",
        ),
        ("{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}2{% endmacro %}", "{{ a() }}", "2"),
        ("{% macro a() %}{{ shop._b() }}{% endmacro %}{% macro _b() %}2{% endmacro %}", "{{ a() }}", "2"),
        ("{% macro a() %}{{ varargs | join('-') }} {{ kwargs.z }}{% endmacro %}", "{{ a(1, 2, z=3) }}", "1-2 3"),
        ("{% macro a() %}x{{ return([1, 2]) }}{% endmacro %}", "{% for i in a() %}<{{ i }}>{% endfor %}", "<1><2>"),
        ("{% macro a() %}{% if true %}{% do return({'k': 3}) %}{% endif %}4{% endmacro %}", "{{ a().k + 1 }}", "4"),
        (
            "{% macro a() %}{{ return(b() + 1) }}{% endmacro %}{% macro b() %}{{ return(1) }}{% endmacro %}",
            "{{ a() }}",
            "2",
        ),
        ("{% macro a() %}<{{ caller() }}>{% endmacro %}", "{% call a() %}in{% endcall %}", "<in>"),
        ("{% macro a(n) %}{{ n if n < 1 else a(n - 1) ~ n }}{% endmacro %}", "{{ a(3) }}", "0123"),
        (
            "{% macro a() %}{{ var('v', 1) }} {{ ref('b') }} {{ this }}{% endmacro %}",
            "{{ a() }}",
            '1 "features"."b" "features"."one"',
        ),
        ("-- text beside macros\n{# and comments #}{% macro a() %}1{% endmacro %}", "{{ a() }}", "1"),
        ("{% macro a() %}{{ dbt.length('x') }} {{ length('x') }}{% endmacro %}", "{{ a() }}", "length(x) length(x)"),
        ("{% macro date_trunc(a, b) %}own{% endmacro %}", "{{ date_trunc('day', 'x') }}", "own"),
        (
            "{% macro a() %}{% set all = namespace(text='') %}"
            "{% for i in range(9) %}{% if i > 2 %}{% break %}{% endif %}"
            "{% set all.text = all.text ~ i %}{% endfor %}{{ all.text }}{% endmacro %}",
            "{{ a() }}",
            "012",
        ),
    ],
)
def test_macros_give_what_they_give_in_dbt(tmp_path: Path, macros: str, template: str, sql: str) -> None:
    assert compiled(tmp_path, macros, template) == sql


def test_macros_of_several_files_find_each_other_and_the_model_that_calls(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        macros__a_sql="{% macro whole() %}{{ part() }} FROM {{ ref('base') }}{% endmacro %}",
        macros__z_sql="{% macro part() %}SELECT *{% endmacro %}",
        models__one_sql="\n\n{{ whole() }}{{ config(tags='x') }}",
        models__two_sql="{{ whole() }}, {{ ref('more') }}",
    )
    one, two = project.models()
    assert (one.inputs, one.line_of("features/base"), one.config.tags) == (("features/base",), 3, ("x",))
    assert two.inputs == ("features/base", "features/more") and two.config.tags == ()


@pytest.mark.parametrize(
    ("body", "template", "said"),
    [
        ("\n\n{{ 1 / 0 }}", "{{ a(1) }}", "macros/m.sql:3: division by zero"),
        ("\n{{ ref('X') }}", "{{ a(1) }}", "macros/m.sql:2: 'X' is not a table name"),
        ("\n{{ ref('b') }}\n{{ c }}", "{{ a(1) }}", "macros/m.sql:3: 'c' is undefined"),
        ("\n{{ x }}", "{{ a() }}", "macros/m.sql:2: parameter 'x' was not provided"),
        ("{{ x }}", "1\n{{ a(1, 2) }}", "models/one.sql:2: macro 'a' takes not more than 1"),
        ("\n{{ exceptions.raise_compiler_error('no') }}", "{{ a(1) }}", "macros/m.sql:2: no"),
        ("{{ a(x) }}", "{{ a(1) }}", "macros/m.sql:1: maximum recursion depth exceeded"),
        ("\n\nnow()", "SELECT {{ a(1) }}", "macros/m.sql:3: now gives another result each time"),
        ("1", "\n{{ shop.b() }}", "models/one.sql:2: shop has no macro 'b'"),
        ("1", "\n{{ a }}", "models/one.sql:2: a is a function (call it: a(...))"),
        ("1", "\n{{ a.path }}", "models/one.sql:2: 'function object' has no attribute 'path'"),
        ("1", "\n{{ shop._functions }}", "models/one.sql:2: shop has no macro '_functions'"),
        ("1", "\n{{ a.__closure__ }}", "models/one.sql:2: access to attribute '__closure__'"),
        ("{% call statement('x') %}1{% endcall %}", "{{ a(1) }}", "macros/m.sql:1: statement asks the database"),
        ("{{ adapter.dispatch('a')() }}", "{{ a(1) }}", "macros/m.sql:1: adapter is dbt's way to the database"),
    ],
)
def test_an_error_stands_at_the_line_that_made_it(tmp_path: Path, body: str, template: str, said: str) -> None:
    macro = f"{{% macro a(x) %}}{body}{{% endmacro %}}"
    message = refusal(tmp_path, dbt_project_yml="name: shop", macros__m_sql=macro, models__one_sql=template)
    assert message.startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{% macro a() %}", "Unexpected end of template"),
        ("{% set a = 1 %}", "a statement beside the macros has no effect"),
        ("{{ ref('a') }}", "a statement beside the macros has no effect"),
        ("{% materialization x, default %}{% endmaterialization %}", "{% materialization %} is not supported"),
        ("{% macro b() %}{% endmacro %}", "macro b is already in macros/a.sql:1"),
        ("{% macro generate_alias_name(n) %}{% endmacro %}", "generate_alias_name would give the table another name"),
    ],
)
def test_a_file_of_macros_that_is_wrong_is_refused_at_its_line(tmp_path: Path, text: str, said: str) -> None:
    macros = {"macros__a_sql": "{% macro b() %}{% endmacro %}", "macros__m_sql": "\n" + text}
    assert refusal(tmp_path, models__one_sql="SELECT 1", **macros).startswith(f"macros/m.sql:2: {said}")


@pytest.mark.parametrize("name", sorted(RESERVED - {"return", "loop"}))
def test_no_macro_takes_a_name_of_the_language(tmp_path: Path, name: str) -> None:
    message = refusal(tmp_path, macros__m_sql=f"\n{{% macro {name}() %}}1{{% endmacro %}}", models__one_sql="SELECT 1")
    assert message.startswith(f"macros/m.sql:2: {name} is a name of the language")


def test_renderings_at_the_same_time_do_not_see_each_other(tmp_path: Path) -> None:
    both = "{% macro both() %}{% for i in range(300) %}{{ this }} {{ window.start }} {% endfor %}{% endmacro %}"
    names = [f"m{number}" for number in range(4)]
    project = project_of(tmp_path, macros__m_sql=both, **{f"models__{name}_sql": "{{ both() }}" for name in names})
    days = [datetime(2025, 1, day, tzinfo=UTC) for day in range(1, 9)]
    windows = [Window(day, day + timedelta(days=1)) for day in days]
    models = {model.name: model for model in project.models()}
    with ThreadPoolExecutor(4) as pool:
        calls = [(name, window, pool.submit(models[name].compile, window)) for name in names for window in windows]
    for name, window, call in calls:
        assert call.result() == f'"features"."{name}" TIMESTAMPTZ \'{window.start.isoformat()}\' ' * 300


def test_a_macro_that_is_wrong_and_never_called_harms_nobody(tmp_path: Path) -> None:
    assert compiled(tmp_path, "{% macro a() %}{{ run_query('x').columns }}{% endmacro %}", "SELECT 1") == "SELECT 1"
