"""Addresses come from the environment and are known by their names."""

from __future__ import annotations

from batch_platform.alerts.addresses import Addresses
from batch_platform.alerts.routing import Route

ROUTES = [Route("a", "A"), Route("b", "B"), Route("again", "A")]


def test_a_variable_may_hold_several_addresses_that_have_commas_themselves() -> None:
    found = Addresses.of(ROUTES, {"A": "mailto://h?to=x@y.z,u@v.w, slack://t\n json://h/p"})
    assert found.names["A"] == ["A", "A/2", "A/3"]
    assert found.urls == {"A": "mailto://h?to=x@y.z,u@v.w", "A/2": "slack://t", "A/3": "json://h/p"}


def test_a_variable_that_is_not_set_keeps_its_name() -> None:
    found = Addresses.of(ROUTES, {"A": "  "})
    assert found.names == {"A": ["A"], "B": ["B"]}
    assert found.known == {"A", "B"}
    assert found.lacking("B") == "the environment variable B is not set"


def test_showing_addresses_shows_none() -> None:
    assert "hunter2" not in repr(Addresses.of(ROUTES, {"A": "json://hunter2"}))
