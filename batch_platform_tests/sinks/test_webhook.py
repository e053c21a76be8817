"""The webhook sink: one POST for each partition, the same for the same content."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from batch_platform.errors import ConfigurationError, DeliveryError
from batch_platform.secret_values import Secrets
from batch_platform.sinks.declared import WebhookSink
from batch_platform.sinks.webhook import SIGNATURE, WebhookTarget
from batch_platform_tests.sinks.conftest import PASSWORD, Receiver, free_port
from batch_platform_tests.sinks.rows import MON, TABLE, delivery, rows

SINK = WebhookSink("SCORES_HOOK")


@pytest.fixture(autouse=True)
def _address(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORES_HOOK", receiver.address)
    monkeypatch.setenv("HOOK_SECRET", "s3cret")


def tell(declared: WebhookSink = SINK) -> int:
    return WebhookTarget(declared, Secrets()).deliver(delivery(rows(1, 2)), iter([]))


def test_a_partition_is_told_with_its_version_and_model(receiver: Receiver) -> None:
    assert tell() == 2
    (headers, body), *others = receiver.heard
    assert others == []
    assert json.loads(body) == {
        "table": TABLE,
        "partition": MON,
        "data_version": "d1",
        "rows": 2,
        "model": {"name": "flight_delay", "version": "3", "digest": "m" * 32},
    }
    assert headers["Idempotency-Key"] == f"{TABLE}/{MON}/d1"
    assert headers["Content-Type"] == "application/json"
    assert SIGNATURE not in headers


def test_telling_twice_is_the_same_request(receiver: Receiver) -> None:
    tell()
    tell()
    first, second = receiver.heard
    assert first == second


def test_the_body_is_signed_with_the_secret(receiver: Receiver) -> None:
    tell(WebhookSink("SCORES_HOOK", "HOOK_SECRET"))
    headers, body = receiver.heard[0]
    assert headers[SIGNATURE] == "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("status", "transient"), [(429, True), (500, True), (503, True), (400, False), (401, False), (404, False)]
)
def test_an_answer_that_may_pass_is_transient(status: int, transient: bool, receiver: Receiver) -> None:
    receiver.answers = [status]
    with pytest.raises(DeliveryError, match=rf"sink 'webhook', predictions/flights\[{MON}\]: .* answered {status}") as (
        caught
    ):
        tell()
    assert caught.value.transient is transient
    assert PASSWORD not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_is_not_followed(status: int, receiver: Receiver) -> None:
    receiver.answers = [status]
    with pytest.raises(DeliveryError, match=f"answered {status}"):
        tell()
    assert len(receiver.heard) == 1


def test_a_receiver_that_is_away_or_silent_may_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORES_HOOK", f"http://127.0.0.1:{free_port()}/hooks/{PASSWORD}")
    with pytest.raises(DeliveryError, match="out of reach") as caught:
        tell()
    assert caught.value.transient
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["file:///etc/passwd", "ftp://host/x", "http://", "host/path", "http://h/a b", "http://[x"]
)
def test_an_address_that_is_none_of_http_is_refused_and_not_repeated(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCORES_HOOK", value)
    with pytest.raises(ConfigurationError, match="SCORES_HOOK holds no address of HTTP") as caught:
        tell()
    assert value not in str(caught.value)
