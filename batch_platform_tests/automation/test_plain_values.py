"""Tests for batch_platform.automation.plain_values."""

import dagster as dg
import pytest
from dagster.components.resolved.errors import ResolutionException
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.automation.plain_values import PlainValues

THEIRS = dg.ResolutionContext.default().with_scope(color="red", number=7)
OURS = PlainValues.of(THEIRS)

PIECES = st.sampled_from(
    ["5", "07", "None", "'a'", "[1, 2]", " ", "\n", "\r", "{x", "}", "{{ color }}", "2025-01-06", "x"]
)


def test_it_carries_every_field_of_dagsters_own_context():
    own = THEIRS.at_path("attributes").with_stashed_value("kept", 1)
    assert own._fields == ("scope", "path", "source_position_tree", "stash")  # a new one must be carried, too
    assert all(getattr(PlainValues.of(own), field) is getattr(own, field) for field in own._fields)


@given(st.one_of(st.text(alphabet=st.characters(exclude_characters="{")), st.lists(PIECES).map("".join)))
def test_a_text_without_a_template_is_what_dagster_makes_of_it(text):
    found, expected = OURS.resolve_value(text), THEIRS.resolve_value(text)
    assert (type(found), found) == (type(expected), expected)


def test_templates_are_resolved_at_every_depth():
    value = {"list": ["{{ color }}", "plain", "{{ number }}"], "tuple": ("{{ number }}",), "empty": "", "nothing": None}
    assert OURS.at_path("attributes").resolve_value(value) == {
        "list": ["red", "plain", 7],
        "tuple": (7,),
        "empty": "",
        "nothing": None,
    }


def test_a_template_that_names_nothing_is_refused_as_by_dagster():
    with pytest.raises(ResolutionException, match="'unknown' not found in scope"):
        OURS.at_path("attributes").resolve_value(["plain", "{{ unknown }}"])
