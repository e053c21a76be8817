"""SQL models: what a template declares is recognised, and what it may not do is refused with its file and line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Window
from batch_platform.sql.config import Materialization
from batch_platform.sql.model import ANY_WINDOW, SqlModel, load_model
from batch_platform.sql.refusals import BLOCKS, CONFIG_KEYS, IGNORED, NAMES

KEYED = "{{ config(key=['id']) }}"
DAY = Window(datetime(2025, 1, 6, tzinfo=UTC), datetime(2025, 1, 7, tzinfo=UTC))


def model_of(folder: Path, text: str, name: str = "delays") -> SqlModel:
    path = folder / f"{name}.sql"
    path.write_text(text)
    return load_model(path)


def refusal(folder: Path, text: str) -> str:
    """The message with which a template is refused, from its place in the folder on."""
    with pytest.raises(ConfigurationError) as caught:
        model_of(folder, text)
    message = str(caught.value)
    assert message.startswith(f"{folder}/") and "\n" not in message
    return message.removeprefix(f"{folder}/")


def test_a_model_says_what_it_reads_and_how_far_back(tmp_path: Path) -> None:
    model = model_of(
        tmp_path,
        "{{ config(key=['day', 'id'], lookback={'outcomes': 28, 'routes': 1}) }}\n"
        "SELECT * FROM {{ source('snapshots', 'flights') }} JOIN {{ ref('routes') }} USING (id)\n"
        "JOIN {{ source('snapshots', 'outcomes') }} USING (id) -- {{ source('snapshots', 'flights') }} again",
    )
    assert (model.name, model.table) == ("delays", "features/delays")
    assert model.inputs == ("snapshots/flights", "features/routes", "snapshots/outcomes")
    assert model.key == ("day", "id")
    assert dict(model.lookback) == {"snapshots/outcomes": 28, "features/routes": 1}


def test_it_compiles_to_relations_and_the_bounds_of_the_window(tmp_path: Path) -> None:
    text = KEYED + (
        "SELECT * FROM {{ source('snapshots', 'flights') }}, {{ ref('order') }} "
        "WHERE at >= {{ window.start }} AND at < {{ window.end }}"
    )
    new_york = ZoneInfo("America/New_York")
    window = Window(datetime(2025, 3, 9, tzinfo=new_york), datetime(2025, 3, 10, tzinfo=new_york))
    assert model_of(tmp_path, text).compile(window) == (
        'SELECT * FROM "snapshots"."flights", "features"."order" '
        "WHERE at >= TIMESTAMPTZ '2025-03-09T00:00:00-05:00' AND at < TIMESTAMPTZ '2025-03-10T00:00:00-04:00'"
    )


def test_the_digest_is_that_of_the_text(tmp_path: Path) -> None:
    first = model_of(tmp_path, KEYED + "SELECT 1")
    assert model_of(tmp_path, KEYED + "SELECT 1").digest == first.digest
    assert model_of(tmp_path, KEYED + "SELECT 1", name="other").digest == first.digest
    assert model_of(tmp_path, KEYED + "SELECT 2").digest != first.digest
    assert model_of(tmp_path, KEYED + "SELECT 1 -- reviewed").digest != first.digest


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (KEYED + "\n\nSELECT * FROM {{ source('files', 'flights') }}", 3, "source('files', ...) is unknown"),
        (KEYED + "\nSELECT * FROM {{ source('snapshots') }}", 2, "name"),
        (KEYED + "\nSELECT * FROM {{ source('snapshots', 'a\"; DROP TABLE x; --') }}", 2, "is not a table name"),
        (KEYED + "\nSELECT * FROM {{ source('snapshots', '../flights') }}", 2, "is not a table name"),
        (KEYED + "\nSELECT * FROM {{ source('snapshots', 'flights\\n') }}", 2, "is not a table name"),
        (KEYED + "\nSELECT * FROM {{ ref(7) }}", 2, "7 is not a table name"),
        ("\n{{ config(key=['id'], materialised='table') }}", 2, "config() has no 'materialised'"),
        ("\n{{ config(materialized='cube') }}", 2, "use table, view, ephemeral, incremental"),
        ("{{ config(['id']) }}", 1, "argument"),
        ("{{ config(key=[]) }}", 1, "names no columns"),
        ("{{ config(key=[1]) }}", 1, "names no columns"),
        ("{{ config(unique_key=['id', 'id']) }}", 1, "names no columns"),
        ("{{ config(key=['id'], lookback=28) }}", 1, "lookback is not a mapping"),
        ("{{ config(key=['id'], lookback={'flights': 28}) }}", 1, "'flights', which the model does not read"),
        (KEYED + "\n\n{% if %}", 3, "xpected"),
        (KEYED + "\n{{ source('snapshots' }}", 2, "xpected"),
        (KEYED + "\n{% for i in range(3) %}\n{{ i }}", 3, "nd of template"),
        (KEYED + "\nSELECT\n{{ partition_key }}", 3, "'partition_key' is undefined"),
        (KEYED + "\nSELECT\n{{ window.middle }}", 3, "middle"),
        (KEYED + "\n{{ 1 / 0 }}", 2, "division by zero"),
        (KEYED + "\n{{ {}['a'].b }}", 2, "has no attribute 'a'"),
        (KEYED + "\n{% for i in range(10 ** 9) %}{{ i }}{% endfor %}", 2, "ange too big"),
        (KEYED + "\n{% include '/etc/passwd' %}", 2, ""),
        (KEYED + "\n{% import '/etc/passwd' as stolen %}", 2, ""),
        (KEYED + "\n{{ ''.__class__.__mro__ }}", 2, "unsafe"),
        (KEYED + "\n{{ config.__globals__ }}", 2, "__globals__"),
        (KEYED + "\n{{ source.__globals__['__builtins__'] }}", 2, "unsafe"),
        (KEYED + "\n{{ window.start.__class__.__base__.__subclasses__() }}", 2, "unsafe"),
        (KEYED + "\n{{ '{0.__class__}'.format(config) }}", 2, "unsafe"),
        (KEYED + "\n{{ (''|attr('__class__')) }}", 2, ""),
        (KEYED + "\n{{ lipsum.__globals__ }}", 2, ""),
        (KEYED + "\n{{ [].append(1) }}", 2, "no value changes in place"),
        (KEYED + "\n{{ target.update(name='x') }}", 2, "unsafe"),
        (KEYED + "\n{{ config.get.__func__ }}", 2, "unsafe"),
        (KEYED + "\n{{ cycler.__init__.__globals__ }}", 2, "unsafe"),
        (KEYED + "\n{{ [1, 2] | random }}", 2, "No filter named 'random'"),
        (KEYED + "\n{{ ref }}", 2, "ref is a function (call it: ref(...))"),
        (KEYED + "\n\n{{ return(1) }}", 3, "return() ends a macro"),
        (KEYED + "\n{{ ref() }}", 2, "takes one name, not 0"),
        (KEYED + "\n{{ ref('other', 'a') }}", 2, "names another project"),
        (KEYED + "\n{{ ref('a', v=2) }}", 2, "models have no versions"),
        (KEYED + "\n{{ window.key }}", 2, "key"),
        (KEYED + "\n{{ exceptions.raise_compiler_error('not so') }}", 2, "not so"),
    ],
)
def test_a_template_that_is_wrong_or_reaches_out_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    message = refusal(tmp_path, text)
    assert message.startswith(f"delays.sql:{line}: ") and said in message


@pytest.mark.parametrize("count", ["0", "-1", "1.5", "true", "'28'", "none", "'0 days'", "'3 years'", "'28 days '"])
def test_a_lookback_is_a_number_of_partitions(tmp_path: Path, count: str) -> None:
    text = "{{ config(key=['id'], lookback={'flights': COUNT}) }} {{ source('snapshots', 'flights') }}"
    message = refusal(tmp_path, text.replace("COUNT", count))
    assert message.startswith("delays.sql:1: lookback of 'flights' is ") and "use 1 or more" in message


@pytest.mark.parametrize("reach", ["1", "'28 days'", "'1 day'", "'6 hours'", "'4 weeks'", "'2 months'"])
def test_a_lookback_is_a_number_or_a_stretch_of_time(tmp_path: Path, reach: str) -> None:
    text = "{{ config(lookback={'flights': REACH, 'this': REACH}) }} {{ source('snapshots', 'flights') }}"
    model = model_of(tmp_path, text.replace("REACH", reach))
    said = int(reach) if reach == "1" else reach.strip("'")
    assert dict(model.lookback) == {"snapshots/flights": said, "this": said}


def test_a_model_needs_no_key(tmp_path: Path) -> None:
    model = model_of(tmp_path, "SELECT 1 AS id")
    assert (model.key, model.inputs, model.config.materialized) == ((), (), Materialization.TABLE)


def test_both_branches_of_is_incremental_are_read(tmp_path: Path) -> None:
    text = (
        "{{ config(materialized='incremental') }}\nSELECT * FROM {{ ref('a') }}\n"
        "{% if is_incremental() %}\nJOIN {{ ref('b') }} ON at > (SELECT max(at) FROM {{ this }})\n"
        "{% else %}\nJOIN {{ ref('c') }} USING (id)\n{% endif %}"
    )
    model = model_of(tmp_path, text)
    assert model.inputs == ("features/a", "features/c", "features/b")
    assert [model.line_of(table) for table in model.inputs] == [2, 6, 4]
    assert model.reads_itself
    first, later = model.compile(None), model.compile(None, incremental=True)
    assert '"features"."c"' in first and "max(at)" not in first
    assert '"features"."b"' in later and 'FROM "features"."delays"' in later


def test_with_partitions_an_incremental_model_always_adds(tmp_path: Path) -> None:
    text = "SELECT {{ 'added' if is_incremental() else 'first' }} FROM {{ ref('a') }}"
    added = model_of(tmp_path, "{{ config(materialized='incremental') }}" + text)
    assert added.compile(DAY).startswith("SELECT added") and added.compile(None).startswith("SELECT first")
    marked = added.compile_range([DAY])
    assert marked is not None and marked.startswith("SELECT added")
    assert model_of(tmp_path, text).compile(DAY).startswith("SELECT first")


def test_a_model_that_reads_itself_runs_one_partition_at_a_time(tmp_path: Path) -> None:
    text = "{{ config(materialized='incremental') }}SELECT * FROM {{ ref('a') }}"
    assert model_of(tmp_path, text).compile_range([DAY]) is not None
    assert model_of(tmp_path, text + " JOIN {{ this }} USING (id)").compile_range([DAY]) is None


def test_config_does_not_depend_on_is_incremental(tmp_path: Path) -> None:
    text = "{{ config(key=['a' if is_incremental() else 'b']) }} SELECT 1"
    assert "config() says something else" in refusal(tmp_path, text)


def test_without_partitions_there_is_no_window(tmp_path: Path) -> None:
    model = model_of(tmp_path, "SELECT *\nFROM {{ ref('a') }}\nWHERE at < {{ window.end }}")
    assert model.window_line == 3
    assert "TIMESTAMPTZ '2000-01-02" in model.compile(ANY_WINDOW)
    with pytest.raises(ConfigurationError, match=r"delays\.sql:3: window is only there in a model with partitions"):
        model.compile(None)


def test_semicolons_at_the_end_do_not_matter(tmp_path: Path) -> None:
    assert model_of(tmp_path, "SELECT ';' AS a ; \n;\n").compile(None) == "SELECT ';' AS a"


def test_config_can_be_asked_for(tmp_path: Path) -> None:
    text = "{{ config({'tags': 'a'}, meta={'n': 3}) }}SELECT {{ config.get('meta').n }}, {{ config.get('key', 'no') }}"
    assert model_of(tmp_path, text).compile(None) == "SELECT 3, no"
    assert "is not configured with 'key'" in refusal(tmp_path, "{{ config.require('key') }}")


def test_the_names_of_dbt_are_there(tmp_path: Path) -> None:
    text = (
        "SELECT '{{ target.type }}', '{{ this.name }}', {{ tojson([1, 'a']) }}, {{ fromjson('[4]')[0] }}, "
        "{% if execute %}{{ log('x', info=true) }}1{% endif %}, {{ zip([1], [2]) | list }}, {{ dbt.type_string() }}"
    )
    assert model_of(tmp_path, text).compile(None) == "SELECT 'duckdb', 'delays', [1, \"a\"], 4, 1, [(1, 2)], text"


@pytest.mark.parametrize("name", sorted(NAMES))
def test_what_dbt_has_and_this_has_not_is_refused_by_name(tmp_path: Path, name: str) -> None:
    for use in ("{{ NAME }}", "{{ NAME('x') }}", "{{ NAME.x('y') }}", "{% for i in NAME %}{% endfor %}"):
        message = refusal(tmp_path, "SELECT 1\n, " + use.replace("NAME", name))
        assert message == f"delays.sql:2: {name} {NAMES[name].what} ({NAMES[name].fix})"


@pytest.mark.parametrize("block", sorted(BLOCKS))
def test_blocks_of_dbt_are_refused_by_name(tmp_path: Path, block: str) -> None:
    message = refusal(tmp_path, f"SELECT 1\n{{% {block} x, default %}}{{% end{block} %}}")
    assert message == f"delays.sql:2: {BLOCKS[block].what} ({BLOCKS[block].fix})"


@pytest.mark.parametrize("setting", sorted(CONFIG_KEYS))
def test_settings_of_dbt_are_refused_by_name(tmp_path: Path, setting: str) -> None:
    message = refusal(tmp_path, f"SELECT 1\n{{{{ config({setting}='x') }}}}")
    assert message == f"delays.sql:2: {setting} {CONFIG_KEYS[setting].what} ({CONFIG_KEYS[setting].fix})"


@pytest.mark.parametrize("setting", sorted(IGNORED))
def test_settings_that_mean_nothing_here_change_nothing(tmp_path: Path, setting: str) -> None:
    plain = model_of(tmp_path, "SELECT 1")
    assert model_of(tmp_path, f"{{{{ config({setting}='x') }}}}SELECT 1").config == plain.config


def test_microbatches_are_refused_by_name(tmp_path: Path) -> None:
    message = refusal(tmp_path, "{{ config(incremental_strategy='microbatch') }}")
    assert "microbatch is not supported (declare lookback and cadence; a partition is a batch)" in message


def test_a_model_can_be_hashed(tmp_path: Path) -> None:
    model = model_of(tmp_path, "{{ config(lookback={'a': 1}, meta={'b': []}) }} {{ ref('a') }}")
    assert hash(model) == hash(load_model(model.path)) and model == load_model(model.path)


def test_a_condition_without_an_else_writes_nothing(tmp_path: Path) -> None:
    assert model_of(tmp_path, "SELECT 1{{ ', 2' if false }}{{ ', 3' if true }}").compile(None) == "SELECT 1, 3"


def test_loops_and_conditions_are_fine(tmp_path: Path) -> None:
    text = KEYED + "SELECT {% for i in range(3) %}{% if i %}, {% endif %}day_{{ i }}{% endfor %}"
    assert model_of(tmp_path, text).compile(DAY) == "SELECT day_0, day_1, day_2"


def test_a_template_that_fails_for_one_window_says_so(tmp_path: Path) -> None:
    text = KEYED + "\n{% if '2025' in window.start %}\n{{ missing }}{% endif %}"
    model = model_of(tmp_path, text)
    with pytest.raises(ConfigurationError, match=r"delays\.sql:3: 'missing' is undefined"):
        model.compile(DAY)


def test_a_file_that_is_not_text_or_not_a_table_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "delays.sql"
    path.write_bytes(KEYED.encode() + b"\nSELECT '\xff'")
    with pytest.raises(ConfigurationError) as caught:
        load_model(path)
    assert str(caught.value).startswith(f"{path}:2: is not UTF-8")
    for name in ("Delays", "1st", "a-b", "a b", "ä"):
        with pytest.raises(ConfigurationError, match="is not a table name"):
            model_of(tmp_path, KEYED, name=name)


@given(
    st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=30).filter(
        lambda name: not name.isascii() or not name.replace("_", "a").isalnum() or not name[0].islower()
    )
)
def test_no_name_reaches_the_query_but_an_identifier(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    """Neither quotes nor anything else get past the name of a table."""
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    folder = tmp_path_factory.getbasetemp()
    assert "delays.sql" in refusal(folder, "{{ config(key=['id']) }} {{ ref('" + quoted + "') }}")


@given(st.text(st.characters(codec="utf-8", exclude_characters="'\"$/;-\\\r"), max_size=60))
def test_a_text_without_jinja_is_its_own_query(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    assume(not any(mark in text for mark in ("{{", "{%", "{#")))
    path = tmp_path_factory.getbasetemp() / "plain.sql"
    path.write_bytes(f"SELECT 1 AS {text}".encode())
    try:
        compiled = load_model(path).compile(None)
    except ConfigurationError as error:
        assert "is not SQL" in str(error) or "gives another result" in str(error)
    else:
        assert compiled == f"SELECT 1 AS {text}"
