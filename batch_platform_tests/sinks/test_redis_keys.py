"""The Redis sink: one key for each row, which comes and goes with its partition."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pyarrow as pa
import pytest
import redis
from hypothesis import HealthCheck, given
from hypothesis import settings as configured
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError, DeliveryError, LakeError
from batch_platform.secret_values import Secrets
from batch_platform.settings import Settings
from batch_platform.sinks.declared import RedisSink
from batch_platform.sinks.redis_keys import RedisTarget
from batch_platform_tests.sinks.conftest import PASSWORD, free_port
from batch_platform_tests.sinks.rows import KEY, MON, TUE, delivery, killed_in_mid_delivery, nothing_known, rows

SINK = RedisSink("SCORES_REDIS", "flight:", "late_probability")
WED = "2025-01-08"


@pytest.fixture
def address(redis_address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SCORES_REDIS", redis_address)
    return redis_address


def deliver(
    content: pa.Table, partition: str = MON, declared: RedisSink = SINK, key: tuple[str, ...] = KEY, batch: int = 2
) -> int:
    sink = RedisTarget(declared, Secrets())
    try:
        return sink.deliver(delivery(content, partition, key=key), iter(content.to_batches(max_chunksize=batch)))
    finally:
        sink.close()


def held(address: str, prefix: str = "flight:") -> dict[str, str]:
    with redis.Redis.from_url(address, decode_responses=True) as client:
        return {name.removeprefix(prefix): client.get(name) for name in client.scan_iter(f"{prefix}*")}


def test_a_row_is_a_key_and_its_column_the_value(address: str) -> None:
    assert deliver(pa.concat_tables([rows(1, 2, late=0.75), nothing_known(3)])) == 3
    assert held(address) == {"1": "0.75", "2": "0.75"}


def test_several_columns_are_a_json_object(address: str) -> None:
    declared = RedisSink("SCORES_REDIS", "flight:", ("late_probability", "fare", "scheduled", "embedding"))
    deliver(pa.concat_tables([rows(1), nothing_known(2)]), declared=declared)
    found = held(address)
    assert json.loads(found["1"]) == {
        "late_probability": 0.25,
        "fare": "12345678.90",
        "scheduled": "2025-01-06T23:59:59.123456+00:00",
        "embedding": [0.5, None, 1.5],
    }
    assert set(json.loads(found["2"]).values()) == {None}


@pytest.mark.parametrize(
    ("column", "value"), [("on_time", "false"), ("day", "2025-01-06"), ("carrier", 'say "a, b"\nc')]
)
def test_a_single_value_is_its_plain_text(column: str, value: str, address: str) -> None:
    deliver(rows(1), declared=RedisSink("SCORES_REDIS", "flight:", column))
    assert held(address) == {"1": value}


def test_keys_of_several_columns_do_not_meet(address: str) -> None:
    content = pa.table({"a": ["x:y", "x", "%3A"], "b": ["z", "y:z", ""], "late_probability": [0.1, 0.2, 0.3]})
    deliver(content, key=("a", "b"))
    assert held(address) == {"x%3Ay:z": "0.1", "x:y%3Az": "0.2", "%253A:": "0.3"}


def test_a_key_that_left_the_partition_is_gone_and_neighbours_stay(address: str) -> None:
    deliver(rows(1, 2, 3))
    deliver(rows(11, 12), TUE)
    deliver(rows(2, 3, 4, late=0.75))
    assert held(address) == {"2": "0.75", "3": "0.75", "4": "0.75", "11": "0.25", "12": "0.25"}
    deliver(rows(1).slice(0, 0))
    assert held(address) == {"11": "0.25", "12": "0.25"}


def test_the_newest_partition_decides_about_a_key_that_several_have(address: str) -> None:
    deliver(rows(1, 2, late=0.5), TUE)
    deliver(rows(1, 3, late=0.25), MON)
    assert held(address) == {"1": "0.5", "2": "0.5", "3": "0.25"}
    deliver(rows(3, late=0.25), MON)
    assert held(address)["1"] == "0.5"
    deliver(rows(1, late=0.75), WED)
    assert held(address) == {"1": "0.75", "2": "0.5", "3": "0.25"}


def test_values_expire(address: str) -> None:
    deliver(rows(1), declared=RedisSink("SCORES_REDIS", "flight:", "late_probability", 100))
    with redis.Redis.from_url(address) as client:
        assert 0 < client.ttl("flight:1") <= 100
        assert 0 < client.ttl(f"_batch_platform:flight::keys:{MON}") <= 100


@configured(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from([MON, TUE]), st.sets(st.integers(0, 9)), st.integers(0, 5)), max_size=6),
)
def test_after_any_deliveries_some_cut_short_the_keys_are_those_of_the_last_ones(
    address: str, steps: list[tuple[str, set[int], int]]
) -> None:
    with redis.Redis.from_url(address) as client:
        client.flushall()
    expected: dict[str, set[int]] = {}
    for partition, content, cut in steps:
        numbers = {number + 10 * (partition == TUE) for number in content}
        found = rows(*numbers)
        sink = RedisTarget(SINK, Secrets())
        with pytest.raises(LakeError):
            sink.deliver(delivery(found, partition), _torn(rows(*(number + 5 for number in numbers)), cut))
        sink.close()
        deliver(found, partition)
        expected[partition] = numbers
    assert set(held(address)) == {str(number) for numbers in expected.values() for number in numbers}


def _torn(content: pa.Table, batches: int) -> Iterator[pa.RecordBatch]:
    yield from content.to_batches(max_chunksize=1)[:batches]
    raise LakeError("cut short")


def test_a_delivery_that_is_killed_is_completed_by_the_next_one(address: str, settings: Settings) -> None:
    deliver(rows(1, 50))
    many = rows(*range(20), late=0.75)
    killed_in_mid_delivery(SINK, settings, many)
    with redis.Redis.from_url(address) as client:
        client.delete(f"_batch_platform:flight::lock:{MON}")  # which would go by itself, after half a minute
    deliver(rows(*range(15, 20), late=0.75))
    assert held(address) == {str(number): "0.75" for number in range(15, 20)}


def test_a_second_delivery_of_the_same_partition_waits_its_turn(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batch_platform.sinks.redis_keys._SECONDS", 0.2)
    with redis.Redis.from_url(address) as client, client.lock(f"_batch_platform:flight::lock:{MON}", timeout=60):
        with pytest.raises(DeliveryError, match="lock") as caught:
            deliver(rows(1))
        assert caught.value.transient
        assert deliver(rows(1), TUE) == 1


def test_a_server_that_is_away_is_told_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORES_REDIS", f"redis://user:{PASSWORD}@127.0.0.1:{free_port()}/0")
    with pytest.raises(DeliveryError, match=rf"sink 'redis', predictions/flights\[{MON}\]: Redis: ") as caught:
        deliver(rows(1))
    assert caught.value.transient
    assert PASSWORD not in str(caught.value)
    assert caught.value.__context__ is None


def test_an_address_that_means_nothing_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORES_REDIS", f"https://{PASSWORD}@host")
    with pytest.raises(ConfigurationError, match="SCORES_REDIS holds no address of Redis") as caught:
        RedisTarget(SINK, Secrets())
    assert PASSWORD not in str(caught.value)
