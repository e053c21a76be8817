"""SQL models: what a template declares is recognised, and what it may not do is refused with its file and line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Window
from batch_platform.sql.model import SqlModel, load_model, load_models

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
        ("\n{{ config(key=['id'], materialized='table') }}", 2, "config() has no 'materialized'"),
        ("{{ config(['id']) }}", 1, "argument"),
        ("SELECT 1", 1, "names no key"),
        ("{{ config(key=[]) }}", 1, "names no key"),
        ("{{ config(key='id') }}", 1, "names no key"),
        ("{{ config(key=[1]) }}", 1, "names no key"),
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
        (KEYED + "\n{{ config.__globals__ }}", 2, "unsafe"),
        (KEYED + "\n{{ source.__func__.__globals__['__builtins__'] }}", 2, "unsafe"),
        (KEYED + "\n{{ window.start.__class__.__base__.__subclasses__() }}", 2, "unsafe"),
        (KEYED + "\n{{ '{0.__class__}'.format(config) }}", 2, "unsafe"),
        (KEYED + "\n{{ (''|attr('__class__')) }}", 2, ""),
        (KEYED + "\n{{ lipsum.__globals__ }}", 2, ""),
        (KEYED + "\n{{ [].append(1) }}", 2, "unsafe"),
    ],
)
def test_a_template_that_is_wrong_or_reaches_out_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    message = refusal(tmp_path, text)
    assert message.startswith(f"delays.sql:{line}: ") and said in message


@pytest.mark.parametrize("count", ["0", "-1", "1.5", "true", "'28'", "none"])
def test_a_lookback_is_a_number_of_partitions(tmp_path: Path, count: str) -> None:
    text = "{{ config(key=['id'], lookback={'flights': COUNT}) }} {{ source('snapshots', 'flights') }}"
    message = refusal(tmp_path, text.replace("COUNT", count))
    assert message.startswith("delays.sql:1: lookback of 'flights' is ") and "use 1 or more" in message


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


def test_a_folder_holds_models_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        model_of(tmp_path, KEYED, name=name)
    assert [model.name for model in load_models(tmp_path)] == ["a", "b", "c"]


def test_a_folder_without_models_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, said in (("empty", "holds no SQL model"), ("absent", "does not exist")):
        with pytest.raises(ConfigurationError, match=said):
            load_models(tmp_path / folder)


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
