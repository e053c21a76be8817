"""Settings: layers are laid over one another as in dbt, and each is held to its kind at the place that says it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence
from batch_platform.sql.config import Materialization, ModelConfig, Strategy, model_config
from batch_platform.sql.settings import MODEL_SETTINGS, Setting, accepted, laid_over


def config_of(**settings: Any) -> ModelConfig:
    layer = {name: Setting(value, f"f:{name}") for name, value in settings.items()}
    return model_config(layer, ("features/a", "snapshots/b"), Materialization.VIEW)


def test_nothing_said_is_the_default() -> None:
    assert config_of() == ModelConfig(materialized=Materialization.VIEW)


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        ({"materialized": "incremental"}, "materialized", Materialization.INCREMENTAL),
        ({"key": "id"}, "key", ("id",)),
        ({"key": ["a", "b"]}, "key", ("a", "b")),
        ({"lookback": {"a": 3, "snapshots/b": "2 months", "this": 1}}, "lookback",
         {"features/a": 3, "snapshots/b": "2 months", "this": 1}),
        ({"cadence": "weekly"}, "cadence", Cadence.WEEKLY),
        ({"cadence": None, "key": None, "meta": None, "enabled": None}, "key", ()),
        ({"start": "2025-01-05"}, "start", "2025-01-05"),
        ({"tags": "x"}, "tags", ("x",)),
        ({"meta": {"owner": "team"}}, "owners", ("team",)),
        ({"meta": {"owner": "team"}, "owners": ["a", "b"]}, "owners", ("a", "b")),
        ({"enabled": False}, "enabled", False),
        ({"full_refresh": True}, "full_refresh", True),
        ({"on_schema_change": "fail"}, "on_schema_change", "fail"),
        ({"incremental_strategy": "delete+insert"}, "incremental_strategy", Strategy.DELETE_INSERT),
        ({"contract": {"enforced": True}}, "contract_enforced", True),
        ({"contract": {"alias_types": True}}, "contract_enforced", False),
    ],
)  # fmt: skip
def test_a_setting_has_its_value(settings: dict[str, Any], name: str, value: object) -> None:
    assert getattr(config_of(**settings), name) == value


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("materialized", "materialized_view", "f:materialized: materialized is 'materialized_view' (use table, view"),
        ("materialized", 1, "f:materialized: materialized is 1"),
        ("key", "", "f:key: the key '' names no columns"),
        ("key", {"a": 1}, "f:key: the key {'a': 1} names no columns"),
        ("lookback", {"c": 1}, "f:lookback: lookback names 'c', which the model does not read"),
        ("lookback", {"a": True}, "f:lookback: lookback of 'a' is True"),
        ("cadence", "yearly", "f:cadence: cadence is 'yearly' (use hourly, daily, weekly, monthly)"),
        ("start", 2025, "f:start: start is 2025"),
        ("tags", [1], "f:tags: tags is [1]"),
        ("enabled", "no", "f:enabled: enabled is 'no' (use true or false)"),
        ("full_refresh", 1, "f:full_refresh: full_refresh is 1"),
        ("on_schema_change", "drop", "f:on_schema_change: on_schema_change is 'drop'"),
        ("incremental_strategy", "insert_overwrite", "f:incremental_strategy: incremental_strategy is"),
        ("contract", "yes", "f:contract: contract is not a mapping"),
        ("meta", "x", "f:meta: meta is not a mapping"),
    ],
)
def test_a_value_that_is_not_of_its_kind_is_refused_where_it_stands(name: str, value: object, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        config_of(**{name: value})
    assert str(caught.value).startswith(said)


def test_names_have_dbts_spellings() -> None:
    for name in ("key", "+key", "unique_key", "+unique-key"):
        assert accepted(name, MODEL_SETTINGS, "f:1") == "key"
    assert accepted("+persist-docs", MODEL_SETTINGS, "f:1") is None
    with pytest.raises(ConfigurationError, match=r"f:1: config\(\) has no '\+keys' \(it takes cadence, "):
        accepted("+keys", MODEL_SETTINGS, "f:1")


VALUES = {
    "tags": st.lists(st.sampled_from("abc"), max_size=3),
    "meta": st.dictionaries(st.sampled_from("xyz"), st.integers(), max_size=3),
    "start": st.sampled_from(["1", "2"]),
}
LAYERS = st.lists(st.fixed_dictionaries({}, optional=VALUES), max_size=4)


@given(LAYERS, st.integers(0, 4))
def test_layers_may_be_laid_over_one_another_in_any_grouping(layers: list[dict[str, Any]], cut: int) -> None:
    settings = [{name: Setting(value, "f:1") for name, value in layer.items()} for layer in layers]
    whole = laid_over(settings)
    grouped = laid_over([laid_over(settings[:cut]), laid_over(settings[cut:])])
    assert whole == grouped
    told = [tag for layer in layers for tag in layer.get("tags", [])]
    assert list(whole["tags"].value if "tags" in whole else []) == list(dict.fromkeys(told))
