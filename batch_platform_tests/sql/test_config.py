"""Settings: layers are laid over one another as in dbt, and each is held to its kind at the place that says it."""

from __future__ import annotations

from datetime import date
from typing import Any

import dagster as dg
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
        ({"tags": ["nightly", "pii/high", "v1.2-x_y"]}, "tags", ("nightly", "pii/high", "v1.2-x_y")),
        ({"meta": {"owner": "data"}}, "owners", ("team:data",)),
        ({"meta": {"owner": "data"}, "owners": ["a", "team:b"]}, "owners", ("team:a", "team:b")),
        ({"owners": ["ann.lee+x@shop.example", "Équipe", "Ann Lee"]}, "owners",
         ("ann.lee+x@shop.example", "team:Équipe", "team:Ann Lee")),
        ({"meta": {"owner": {"name": "Ann"}}}, "owners", ()),
        ({"meta": {"at": date(2025, 1, 5), 3: [1.5, float("inf"), None, True, {"a": (1,)}]}}, "meta",
         {"at": "2025-01-05", "3": [1.5, "inf", None, True, {"a": [1]}]}),
        ({"enabled": False}, "enabled", False),
        ({"full_refresh": True}, "full_refresh", True),
        ({"on_schema_change": "fail"}, "on_schema_change", "fail"),
        ({"on_schema_change": "ignore"}, "on_schema_change", "ignore"),
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
        ("tags", "my tag!", "f:tags: 'my tag!' cannot be a tag (use letters"),
        ("tags", ["fine", "pii:high"], "f:tags: 'pii:high' cannot be a tag"),
        ("tags", "a/b/c", "f:tags: 'a/b/c' cannot be a tag"),
        ("tags", "x\n", "f:tags: 'x\\n' cannot be a tag"),
        ("tags", "dagster/kind", "f:tags: 'dagster/kind' cannot be a tag"),
        ("tags", "é", "f:tags: 'é' cannot be a tag"),
        ("owners", "@ann", "f:owners: '@ann' cannot be an owner (write an e-mail address, or team:name)"),
        ("owners", "ann@home", "f:owners: 'ann@home' cannot be an owner"),
        ("owners", "team:", "f:owners: 'team:' cannot be an owner"),
        ("owners", "", "f:owners: '' cannot be an owner"),
        ("meta", {"owner": "@ann"}, "f:meta: '@ann' cannot be an owner"),
        ("enabled", "no", "f:enabled: enabled is 'no' (use true or false)"),
        ("full_refresh", 1, "f:full_refresh: full_refresh is 1"),
        ("on_schema_change", "drop", "f:on_schema_change: on_schema_change is 'drop'"),
        ("on_schema_change", "append_new_columns",
         "f:on_schema_change: on_schema_change append_new_columns is not supported"),
        ("on_schema_change", "sync_all_columns",
         "f:on_schema_change: on_schema_change sync_all_columns is not supported: a table keeps its columns"),
        ("incremental_strategy", "insert_overwrite", "f:incremental_strategy: incremental_strategy is"),
        ("contract", "yes", "f:contract: contract is not a mapping"),
        ("meta", "x", "f:meta: meta is not a mapping"),
    ],
)  # fmt: skip
def test_a_value_that_is_not_of_its_kind_is_refused_where_it_stands(name: str, value: object, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        config_of(**{name: value})
    assert str(caught.value).startswith(said)


def test_a_tag_is_refused_at_every_place_that_may_have_said_it() -> None:
    layers = [{"tags": Setting(tag, where)} for tag, where in (("my tag!", "p:3"), ("x", "f:1"), ("y", "f:1"))]
    with pytest.raises(ConfigurationError, match=r"^p:3, f:1: 'my tag!' cannot be a tag"):
        model_config(laid_over(layers), (), Materialization.VIEW)


@given(st.text(max_size=70), st.sampled_from(["", "team:"]))
def test_what_is_accepted_dagster_accepts(text: str, before: str) -> None:
    for name, accepts in (("tags", dagster_takes_tag), ("owners", dagster_takes_owner)):
        try:
            found = getattr(config_of(**{name: before + text}), name)
        except ConfigurationError:
            continue
        assert all(accepts(one) for one in found)


def dagster_takes_tag(tag: str) -> bool:
    return bool(dg.AssetSpec("a", tags={tag: ""}).tags)


def dagster_takes_owner(owner: str) -> bool:
    return list(dg.AssetSpec("a", owners=[owner]).owners) == [owner]


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
