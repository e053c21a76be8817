"""Outputs: SQL over one row's columns computes; whatever could look further is refused by name."""

from __future__ import annotations

import polars as pl
import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.predictions.outputs import output_expression

ROWS = pl.DataFrame({"score": [0.25, 0.75, None], "name": ["Ab", None, "cd"], "n": [-3, 4, 0]})


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("score >= 0.5", [False, True, None]),
        ("score * 100 + n", [22.0, 79.0, None]),
        ("-n % 2", [1, 0, 0]),
        ("n - 1 < 0 AND NOT (score > 0.5 OR name IS NULL)", [True, False, None]),
        (
            "CASE WHEN score > 0.5 THEN 'high' WHEN score IS NOT NULL THEN 'low' ELSE 'none' END",
            ["low", "high", "none"],
        ),
        ("n IN (4, 0)", [False, True, True]),
        ("n BETWEEN 0 AND 3", [False, False, True]),
        ("COALESCE(score, 0.0)", [0.25, 0.75, 0.0]),
        ("NULLIF(n, 0)", [-3, 4, None]),
        ("ROUND(score, 1)", [0.2, 0.8, None]),
        ("ABS(n)", [3, 4, 0]),
        ("FLOOR(score)", [0.0, 0.0, None]),
        ("CEIL(score)", [1.0, 1.0, None]),
        ("LEAST(n, 1)", [-3, 1, 0]),
        ("GREATEST(n, 1)", [1, 4, 1]),
        ("LOWER(name)", ["ab", None, "cd"]),
        ("UPPER(name)", ["AB", None, "CD"]),
        ("CAST(n AS DOUBLE)", [-3.0, 4.0, 0.0]),
        ("n::varchar", ["-3", "4", "0"]),
        ("name LIKE 'A%'", [True, None, False]),
        ("name || '!'", ["Ab!", None, "cd!"]),
    ],
)
def test_an_expression_over_a_row_computes(expression: str, expected: list[object]) -> None:
    found = ROWS.select(output_expression("out", expression))
    assert found.columns == ["out"] and found["out"].to_list() == expected


@pytest.mark.parametrize("expression", ["score >= 0.5", "UPPER(name)", "n * 2 + 1", "COALESCE(score, n)"])
def test_a_row_has_the_same_value_in_every_shard(expression: str) -> None:
    out = output_expression("out", expression)
    alone = [ROWS[number : number + 1].select(out)["out"].to_list()[0] for number in range(ROWS.height)]
    assert ROWS.select(out)["out"].to_list() == alone


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("NOW()", ""),
        ("CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP"),
        ("CURRENT_DATE", "CURRENT_DATE"),
        ("CASE WHEN score > 0.5 THEN CURRENT_TIMESTAMP END", "CURRENT_TIMESTAMP"),
        ("ROW_NUMBER() OVER (ORDER BY score)", "ROW_NUMBER"),
        ("ROW_NUMBER()", "ROW_NUMBER"),
        ("RANDOM()", ""),
        ("UUID()", ""),
        ("SUM(score)", "SUM(score)"),
        ("score - AVG(score)", "AVG(score)"),
        ("score > MEDIAN(score)", "MEDIAN"),
        ("FIRST(score)", "FIRST"),
        ("LAG(score)", "LAG"),
        ("RANK()", ""),
        ("STDDEV(score)", "STDDEV"),
        ("SUM(score) OVER ()", "SUM"),
        ("*", "*"),
        ("COUNT(*)", "COUNT"),
        ("(SELECT 1)", "SELECT"),
        ("n IN (SELECT 1)", "SELECT"),
        ("CAST(name AS TIMESTAMP)", "TIMESTAMP"),
        ("unknown_function(score)", ""),
        ("score AS other", "other"),
        ("score >", ""),
        ("", ""),
    ],
)
def test_what_could_look_beyond_the_row_is_refused(expression: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        output_expression("out", expression)
    message = str(caught.value)
    assert message.startswith("output 'out': ") and said.lower() in message.lower() and "\n" not in message
