"""The Redis sink: a key for each row, replaced and removed partition by partition.

Belongs here: how rows become keys, and the book-keeping that lets vanished rows go. Beside the values there is a set
with the names of each partition's keys: written before the values, so that a delivery that is cut short leaves no
key that the next one does not know. Where partitions share keys (a customer scored every day), the newest partition
decides: a backfill of an older one changes only keys that no newer one holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from batch_platform.errors import ConfigurationError, DeliveryError, first_line, is_transient
from batch_platform.secret_values import Secrets
from batch_platform.sinks.base import Delivery
from batch_platform.sinks.declared import RedisSink
from batch_platform.sinks.plain_values import json_rows, json_text

if TYPE_CHECKING:
    import redis
    from redis.lock import Lock

_Name = TypeVar("_Name", str, bytes)
_SECONDS = 15
_LOCK_SECONDS = 30
_MANY = 4096


class RedisTarget:
    """Keys of one prefix on a Redis server.

    Raises:
        ConfigurationError: the variable is not set, its value is no address, or the package is not installed.
    """

    def __init__(self, declared: RedisSink, secrets: Secrets) -> None:
        try:
            import redis
        except ImportError:
            raise ConfigurationError(
                "the package redis is not installed", where=f"sink {declared.name!r}", fix="install the extra 'sinks'"
            ) from None
        self.name, self._declared, self._secrets = declared.name, declared, secrets
        self._refusals = redis.RedisError
        url = secrets.take(declared.url_from)
        client = None
        with suppress(ValueError):
            client = redis.Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS)
        if client is None:
            raise ConfigurationError(
                f"the environment variable {declared.url_from} holds no address of Redis",
                where=f"sink {self.name!r}",
                fix="set it to redis://host:6379/0 or rediss://...",
            )
        self._client: redis.Redis = client

    def deliver(self, delivery: Delivery, batches: Iterator[pa.RecordBatch]) -> int:
        """Set the partition's keys and remove those that it no longer has; see `Sink.deliver`."""
        try:
            name = self._book("lock", delivery.partition)
            with self._client.lock(name, timeout=_LOCK_SECONDS, blocking_timeout=_SECONDS) as lock:
                return self._replace(delivery, batches, lock)
        except (self._refusals, OSError) as error:
            found, transient = self._secrets.redacted(first_line(error)), is_transient(error) or _contended(error)
        raise DeliveryError(
            f"Redis: {found}",
            where=f"sink {self.name!r}, {delivery.place}",
            fix="check the server and its address, then deliver again",
            transient=transient,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _replace(self, delivery: Delivery, batches: Iterator[pa.RecordBatch], lock: Lock) -> int:
        names, coming = (self._book(kind, delivery.partition) for kind in ("keys", "coming"))
        partitions = self._book("partitions")
        # A delivery that was cut short has set some of these keys.
        self._client.sunionstore(names, [names, coming])
        self._client.delete(coming)
        newer = self._newer(delivery.partition)
        self._client.zadd(partitions, {delivery.partition: 0})
        rows = 0
        for batch in batches:
            values = self._values(delivery.key, batch)
            free = self._not_held(newer, list(values))
            with self._client.pipeline(transaction=True) as pipe:
                if values:
                    pipe.sadd(coming, *values)
                if free and self._declared.expire_seconds is None:
                    pipe.mset({key: values[key] for key in free})
                else:
                    for key in free:
                        pipe.set(key, values[key], ex=self._declared.expire_seconds)
                pipe.execute()
            lock.reacquire()
            rows += batch.num_rows
        self._let_go(names, coming, newer, lock)
        if self._declared.expire_seconds is not None:
            self._client.expire(names, self._declared.expire_seconds)
        return rows

    def _let_go(self, names: str, coming: str, newer: list[str], lock: Lock) -> None:
        """Remove the keys that did not come again; those that came are the partition's keys from now on."""
        gone = f"{coming}:gone"
        self._client.sdiffstore(gone, [names, coming])
        leaving = self._client.sscan_iter(gone, count=_MANY)
        while some := list(islice(leaving, _MANY)):
            free = self._not_held(newer, some)
            if free:
                self._client.unlink(*free)
            lock.reacquire()
        with self._client.pipeline(transaction=True) as pipe:
            pipe.sunionstore(names, [coming])
            pipe.delete(coming, gone)
            pipe.execute()

    def _newer(self, partition: str) -> list[str]:
        """The sets of keys of later partitions: keys sort as time does."""
        later = self._client.zrangebylex(self._book("partitions"), f"({partition}", "+")
        names = [key.decode() if isinstance(key, bytes) else key for key in later]
        sets = [self._book(kind, key) for key in names for kind in ("keys", "coming")]
        with self._client.pipeline(transaction=False) as pipe:
            for name in sets:
                pipe.exists(name)
            return [name for name, there in zip(sets, pipe.execute(), strict=True) if there]

    def _not_held(self, sets: Iterable[str], keys: list[_Name]) -> list[_Name]:
        """Those of the keys that none of the sets has."""
        for name in sets:
            if not keys:
                break
            held = self._client.smismember(name, keys)
            keys = [key for key, there in zip(keys, held, strict=True) if not there]
        return keys

    def _values(self, columns: tuple[str, ...], batch: pa.RecordBatch) -> dict[str, str]:
        """Redis key -> value; a row whose single value is null has none."""
        wanted = self._declared.value
        found = {}
        for row in json_rows(batch.select(sorted({*columns, *self._declared.columns}))):
            value = row[wanted] if isinstance(wanted, str) else {name: row[name] for name in wanted}
            if value is not None:
                found[self._declared.prefix + _key([_text(row[name]) for name in columns])] = _text(value)
        return found

    def _book(self, kind: str, *partition: str) -> str:
        return ":".join(("_batch_platform", self._declared.prefix, kind, *partition))


def _key(parts: list[str]) -> str:
    """One column as it is, several with `:` between them: different rows have different keys."""
    if len(parts) == 1:
        return parts[0]
    return ":".join(part.replace("%", "%25").replace(":", "%3A") for part in parts)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json_text(value)


def _contended(error: Exception) -> bool:
    return type(error).__name__ in ("LockError", "LockNotOwnedError")
