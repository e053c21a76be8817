"""Secrets are taken out of texts, in every form in which a driver may repeat them."""

from __future__ import annotations

import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.secret_values import Secrets


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("postgresql://me:p%40ss@host/db", "cannot reach postgresql://me:p%40ss@host/db"),
        ("postgresql://me:p%40ss@host/db", "password 'p@ss' is wrong"),
        ("postgresql://me:p%40ss@host/db", "sent p%40ss"),
        ("redis://:p@ss@host/0", "AUTH p@ss"),
        ("https://host/services/T000/abcdefghijklmnop", "GET /services/T000/abcdefghijklmnop failed"),
        ("https://host/services/T000/abcdefghijklmnop", "abcdefghijklmnop is unknown"),
        ("https://host/?token=p%40ss", "token p@ss"),
        ("p@ss", "signed with p@ss"),
    ],
)
def test_no_part_of_a_secret_is_left(value: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", value)
    secrets = Secrets()
    assert secrets.take("SECRET") == value
    found = secrets.redacted(text)
    assert "***" in found
    for part in ("p@ss", "p%40ss", "abcdefghijklmnop"):
        assert part not in found
    assert repr(secrets) == "Secrets()"


def test_what_is_no_secret_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "postgresql://me:hunter2@host/db")
    secrets = Secrets()
    secrets.take("SECRET")
    assert secrets.redacted("connection to host, port 5432 refused") == "connection to host, port 5432 refused"


def test_a_variable_without_a_value_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "")
    with pytest.raises(ConfigurationError, match="variable SECRET is not set"):
        Secrets().take("SECRET")
