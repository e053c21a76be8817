"""Tests of well-known dbt packages that mean the same as one built in here, so that a project may keep their names.

What belongs here: names and their arguments, both as the package spells them. What does not: tests whose meaning
differs in any way; they are refused.
"""

from __future__ import annotations

from collections.abc import Mapping

BUILT_IN_AS: Mapping[str, str] = {
    "dbt_utils.accepted_range": "range",
    "dbt_utils.unique_combination_of_columns": "unique_combination_of_columns",
    "dbt_utils.expression_is_true": "expression_is_true",
    "dbt_expectations.expect_column_values_to_be_between": "range",
    "dbt_expectations.expect_column_values_to_match_regex": "matches",
    "dbt_expectations.expect_table_row_count_to_be_between": "row_count",
}
"""The test built in here, by the package's name."""

ARGUMENTS_OF: Mapping[str, Mapping[str, str]] = {
    "dbt_utils.accepted_range": {"min_value": "min", "max_value": "max", "inclusive": "inclusive"},
    "dbt_utils.unique_combination_of_columns": {
        "combination_of_columns": "combination_of_columns",
        "quote_columns": "quote_columns",
    },
    "dbt_utils.expression_is_true": {"expression": "expression"},
    "dbt_expectations.expect_column_values_to_be_between": {
        "min_value": "min",
        "max_value": "max",
        "strictly": "strictly",
        "row_condition": "where",
    },
    "dbt_expectations.expect_column_values_to_match_regex": {"regex": "regex", "row_condition": "where"},
    "dbt_expectations.expect_table_row_count_to_be_between": {
        "min_value": "min",
        "max_value": "max",
        "row_condition": "where",
    },
}
"""What each of its arguments is called here."""
