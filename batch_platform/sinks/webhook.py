"""The webhook sink: one POST for each partition, which says that it is there.

The body is the same whenever the same content is told, and so is the `Idempotency-Key`: a receiver that has seen the
key has heard it all.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit

import pyarrow as pa

from batch_platform.errors import ConfigurationError, DeliveryError, first_line, is_transient
from batch_platform.secret_values import Secrets
from batch_platform.sinks.base import Delivery
from batch_platform.sinks.declared import WebhookSink

SIGNATURE = "X-Batch-Platform-Signature"
_SECONDS = 15


class WebhookTarget:
    """An HTTP address that hears of each partition.

    Raises:
        ConfigurationError: a variable is not set, or the address is none of HTTP.
    """

    def __init__(self, declared: WebhookSink, secrets: Secrets) -> None:
        self.name = declared.name
        self._url, self._secrets = secrets.take(declared.url_from), secrets
        self._key = secrets.take(declared.secret_from).encode() if declared.secret_from else None
        try:
            usable = urlsplit(self._url).scheme in ("http", "https") and bool(urlsplit(self._url).hostname)
        except ValueError:
            usable = False
        if not usable or not self._url.isascii() or not self._url.isprintable() or " " in self._url:
            raise ConfigurationError(
                f"the environment variable {declared.url_from} holds no address of HTTP",
                where=f"sink {self.name!r}",
                fix="set it to https://...",
            )
        # Following a redirection would turn the POST into a GET, and might take the signature elsewhere.
        self._opener = urllib.request.build_opener(_NoRedirection)

    def deliver(self, delivery: Delivery, batches: Iterator[pa.RecordBatch]) -> int:
        """Tell of the partition; its rows are not read. See `Sink.deliver`."""
        request = urllib.request.Request(self._url, data=_body(delivery), headers=self._headers(delivery))
        try:
            with self._opener.open(request, timeout=_SECONDS):
                return delivery.rows
        except HTTPError as error:
            with error:
                found, transient = f"answered {error.code}", is_transient(error)
        except (OSError, HTTPException) as error:
            found = f"is out of reach: {self._secrets.redacted(first_line(error))}"
            transient = is_transient(error)
        raise DeliveryError(
            f"the webhook {found}",
            where=f"sink {self.name!r}, {delivery.place}",
            fix="check the receiver and its address, then deliver again",
            transient=transient,
        )

    def close(self) -> None:
        """There is nothing to let go of."""

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        place = "/".join(quote(part) for part in (delivery.table, delivery.partition, delivery.digest) if part)
        headers = {"Content-Type": "application/json", "Idempotency-Key": place, "User-Agent": "batch-platform"}
        if self._key is not None:
            signed = hmac.new(self._key, _body(delivery), hashlib.sha256).hexdigest()
            headers[SIGNATURE] = f"sha256={signed}"
        return headers


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> None:
        """No request follows; the redirection itself becomes an error."""


def _body(delivery: Delivery) -> bytes:
    model = delivery.model
    told = {
        "table": delivery.table,
        "partition": delivery.partition,
        "data_version": delivery.digest,
        "rows": delivery.rows,
        "model": None if model is None else {"name": model.name, "version": model.version, "digest": model.digest},
    }
    return json.dumps(told, sort_keys=True).encode()
