"""SQL that gives another result each time is refused at its line; what only looks like it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.sql.model import load_model
from batch_platform.sql.volatile import first_volatile, refuse_volatile
from batch_platform_tests.features.tables import CALENDAR, DAYS

KEYED = "{{ config(\n  key=['id']\n) }}\n"


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("SELECT now()", "now"),
        ("SELECT NOW ( )", "now"),
        ('SELECT "now"()', "now"),
        ("SELECT /* now */ today()", "today"),
        ("SELECT current_date", "current_date"),
        ("SELECT id - CURRENT_TIMESTAMP FROM t", "current_timestamp"),
        ("SELECT localtime", "localtime"),
        ("SELECT get_current_timestamp()", "get_current_timestamp"),
        ("SELECT ago(INTERVAL 1 DAY)", "ago"),
        ("SELECT age(at) FROM t", "age"),
        ("SELECT age(greatest(at, until)) FROM t", "age"),
        ("SELECT * FROM t WHERE random() < 0.1", "random"),
        ("SELECT (1).random()", "random"),
        ("SELECT uuid(), gen_random_uuid()", "uuid"),
        ("SELECT uuidv7()", "uuidv7"),
        ("SELECT setseed(0.5)", "setseed"),
        ("SELECT nextval('s')", "nextval"),
        ("SELECT txid_current()", "txid_current"),
        ("SELECT current_setting('threads')", "current_setting"),
        ("SELECT list_transform([1], lambda x: x + random())", "random"),
        ("FROM query('SELECT now()')", "query"),
        ("FROM t USING SAMPLE 5", "sample"),
        ("FROM t TABLESAMPLE reservoir(3 ROWS)", "tablesample"),
    ],
)
def test_the_clock_and_chance_are_refused_with_their_line(sql: str, word: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        refuse_volatile("-- a\n\n" + sql, "labels.sql")
    assert str(caught.value).startswith(f"labels.sql:3: {word} gives another result each time")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'now()', \"current_date\", today, error FROM t -- random()",
        "SELECT t.current_date FROM t",
        "SELECT age(until, at) FROM t",
        "SELECT age(greatest(a, b), date_trunc('day', c)) AS age FROM t",
        "SELECT CAST(at AS DATE), hash(id), row_number() OVER (ORDER BY id) FROM t",
        "SELECT sample, stats FROM t JOIN u USING (id)",
        "SELECT year(at) AS now FROM t",
    ],
)
def test_names_texts_and_comments_are_not_taken_for_it(sql: str) -> None:
    refuse_volatile(sql, "labels.sql")


def test_a_text_that_is_not_sql_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"labels\.sql: is not SQL"):
        refuse_volatile("SELECT 'open", "labels.sql")


@pytest.mark.parametrize("call", ["now()", "random()", "{{ 'uuid' ~ '()' }}", "{% if true %}current_date{% endif %}"])
def test_a_model_is_refused_when_it_is_loaded_at_the_line_of_its_template(tmp_path: Path, call: str) -> None:
    path = tmp_path / "delays.sql"
    path.write_text(KEYED + f"SELECT 1 AS id,\n  {call} AS at")
    with pytest.raises(ConfigurationError) as caught:
        load_model(path)
    assert str(caught.value).startswith(f"{path}:5: ")
    assert "gives another result each time" in str(caught.value)


def test_what_a_template_says_for_one_window_only_is_refused_then(tmp_path: Path) -> None:
    path = tmp_path / "delays.sql"
    path.write_text(KEYED + "SELECT {% if '2025-01-06' in window.start %}\nnow(){% else %}1{% endif %} AS id")
    model = load_model(path)
    with pytest.raises(ConfigurationError, match=r"delays\.sql:5: now gives another result"):
        model.compile(CALENDAR.window(DAYS[0]))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT now()'))",
        "SELECT value FROM duckdb_settings()",
        "SELECT library_version FROM pragma_version()",
    ],
)
def test_texts_that_nobody_judged_and_the_state_of_the_machine_are_refused(sql: str) -> None:
    assert first_volatile(sql, "model.sql") is not None
