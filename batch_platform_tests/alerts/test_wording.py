"""Text of others does nothing in a chat, and tells no password."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform.alerts.wording import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://ops:hunter2@db/x refused", "postgresql://***@\u2060db/x refused"),
        ("https://token@host/path", "https://***@\u2060host/path"),
        ("password=hunter2 user=ops", "password=*** user=ops"),
        ("AWS_SECRET_ACCESS_KEY: abc/def, next", "AWS_SECRET_ACCESS_KEY: ***, next"),
        ("a\nb\tc  d", "a b c d"),
        ("expected < 3 rows", "expected < 3 rows"),
        ("\u202egnp.exe\u200b", "gnp.exe"),
    ],
)
def test_what_is_secret_or_hidden_goes_and_what_is_meant_stays(text: str, shown: str) -> None:
    assert plain(text) == shown


@settings(deadline=None)
@given(st.text(alphabet="ab@<>![](){}`\n\u202e channel", max_size=60))
def test_no_text_mentions_anybody_or_makes_a_link(text: str) -> None:
    shown = plain(text)
    assert "@" not in shown.replace("@\u2060", "")
    assert "<!" not in shown
    assert "](" not in shown
    assert "`" not in shown
    assert shown.isprintable() or "\u2060" in shown
    assert "\n" not in shown


def test_text_is_shortened_where_it_is_cut_one_sees_it() -> None:
    assert plain("x" * 5000, 100) == "x" * 99 + "…"
