"""The tests that a model may have, the project's own tests, and `freshness`: the rule that each declares.

What belongs here: one function per test. What does not: how a test is written down (`data_tests.py`), and what a rule
means (`set_rules.py`, `table_rules.py`, `table_query.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import yaml

from batch_platform.contracts.arguments import Arguments
from batch_platform.contracts.column_tests import BOUNDS, expression, referenced
from batch_platform.contracts.conditions import Condition
from batch_platform.contracts.rules import Rule, Severity, shown
from batch_platform.contracts.set_rules import Unique
from batch_platform.contracts.surroundings import Rendered, Surroundings, is_reference
from batch_platform.contracts.table_query import Origin, TableQuery
from batch_platform.contracts.table_rules import UNITS, Freshness, RowCount
from batch_platform.errors import BatchPlatformError, first_line
from batch_platform.lake.store import relation


def _unique_combination(given: Arguments) -> Rule:
    given.take(("combination_of_columns", "quote_columns"), ("combination_of_columns",))
    given.flag("quote_columns", True)
    return Unique(given.columns("combination_of_columns"), combination=True)


def _row_count(given: Arguments) -> Rule:
    given.take(BOUNDS, some_of=BOUNDS)
    return RowCount(*given.count_bounds())


def _expression_is_true(given: Arguments) -> Rule:
    given.take(("expression",), ("expression",))
    return expression(given, given.text("expression"))


MODEL_TESTS: Mapping[str, Callable[[Arguments], Rule]] = {
    "unique_combination_of_columns": _unique_combination,
    "row_count": _row_count,
    "expression_is_true": _expression_is_true,
}
"""The tests by name; each takes what the file gives it."""


def freshness(given: Arguments) -> Rule:
    """The rule of a model's `freshness: {column: updated_at, max_age: 2 days}`."""
    given.take(("column", "max_age"), ("column", "max_age"))
    column, age = given.text("column"), given.text("max_age")
    if column not in given.types:
        given.refuse(f"freshness reads {column}, which the model does not declare", at="column")
    if given.types[column] not in ("DATE", "TIMESTAMP", "TIMESTAMPTZ"):
        given.refuse(f"freshness needs a date or a time; column {column} is {given.types[column]}", at="column")
    match = re.fullmatch(r"(\d{1,6})\s*(minute|hour|day|week)s?", age.strip(), re.ASCII)
    if match is None:
        given.refuse(f"{age!r} is no length of time", "write '90 minutes', '6 hours', '2 days' or '4 weeks'", "max_age")
    return Freshness(column, int(match[1]) * UNITS[match[2]])


def of_the_project(
    given: Arguments, model: str, column: str | None, where: Condition | None, around: Surroundings
) -> TableQuery:
    """The rule of a generic test that the project defines; its template gets `model` as dbt's does."""
    if around.render is None:
        given.refuse(f"{given.test} cannot be rendered here")
    values = {name: given.document.value(node) for name, node in given.given.items()}
    own = f"{around.stage}/{model}"
    named = {name: referenced(given, name, around) for name, value in values.items() if is_reference(value)}
    relations = {name: relation(table) for name, table in named.items()}
    if taken := [name for name in ("model", "column_name") if name in values]:
        given.refuse(f"{given.test}: {taken[0]} is given by the place where the test stands", "remove it", taken[0])
    tested = relation(own)
    if where is not None:
        tested = f"(SELECT * FROM {tested} WHERE ({where.text}\n)) AS dbt_subquery"
    place = {"model": tested} if column is None else {"model": tested, "column_name": column}
    try:
        found = Rendered(*around.render(around.generic_tests[given.test], {**place, **values, **relations}))
    except BatchPlatformError as error:
        given.refuse(f"{given.test}: {error.what}", error.fix)
    except (TypeError, ValueError) as error:
        given.refuse(f"{given.test}: {first_line(error)}")
    arguments = ", ".join(f"{name}={shown(value)}" for name, value in values.items())
    title = f"{column}: {given.test}({arguments})" if column else f"{given.test}({arguments})"
    tables = tuple(dict.fromkeys((own, *named.values(), *found.tables)))
    origin = Origin(
        f"{given.document.path}:{given.place.start_mark.line + 1}",
        severity=Severity(found.severity) if found.severity and not _says(given, "severity") else None,
        enabled=found.enabled or _says(given, "enabled"),
    )
    return TableQuery(title, found.sql, tables, () if column is None else (column,), origin)


def _says(given: Arguments, option: str) -> bool:
    """Whether the property file gives a test this option, beside its arguments or in `config`."""
    if not isinstance(given.place, yaml.MappingNode):
        return False
    parts = given.document.mapping(given.place, given.test, None)
    if "test_name" not in parts:
        (own,) = parts.values()
        parts = given.document.mapping(own, given.test, None) if isinstance(own, yaml.MappingNode) else {}
    config = parts.get("config")
    nested = given.document.mapping(config, "config", None) if isinstance(config, yaml.MappingNode) else {}
    return option in parts or option in nested
