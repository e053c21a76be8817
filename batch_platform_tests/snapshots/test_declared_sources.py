"""What `source:` may say of a database, a Delta table and a function."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from batch_platform.snapshots.declared_sources import DatabaseSource, DeltaSource, FunctionSource

DB = {"url_from": "SHOP_DB"}
SELECT = {**DB, "query": "select 1 as a"}
SECRET = "hunter2"


@pytest.mark.parametrize(
    "fields",
    [
        {**DB, "table": "orders"},
        {**DB, "table": "shop.orders", "watermark": "at", "zone": "Europe/Berlin", "null_watermarks": "skipped"},
        {**DB, "query": "select * from orders where at >= :start and at < :end", "zone": "UTC", "order_by": ["id"]},
    ],
)
def test_a_table_or_a_query_is_declared(fields: dict[str, Any]) -> None:
    assert DatabaseSource.model_validate(fields).url_from == "SHOP_DB"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"table": "t"}, "url_from"),
        (
            {"url_from": f"postgresql://me:{SECRET}@host/db", "table": "t"},
            "expected the name of an environment variable",
        ),
        (DB, "expected exactly one of table and query"),
        ({**SELECT, "table": "t"}, "expected exactly one of table and query"),
        ({**DB, "table": "a.b.c"}, "expected table or schema.table"),
        ({**DB, "table": "t; drop table t"}, "expected table or schema.table"),
        ({**SELECT, "watermark": "at"}, "watermark: only with table"),
        ({**SELECT, "null_watermarks": "skipped"}, "null_watermarks: only with table"),
        ({**DB, "table": "t", "zone": "UTC"}, "zone: only with watermark"),
        ({**DB, "table": "t", "null_watermarks": "skipped"}, "null_watermarks: only with watermark"),
        ({**DB, "table": "t", "watermark": "at", "null_watermarks": "dropped"}, "'refused' or 'skipped'"),
        ({**DB, "table": "t", "watermark": "at", "zone": "Berlin"}, "'Berlin' is no IANA time zone"),
        ({**DB, "table": "t", "watermark": "at", "zone": "../etc/passwd"}, "is no IANA time zone"),
        ({**DB, "query": "drop table t"}, "expected one SELECT"),
        ({**DB, "query": "select :since"}, "unknown parameter :since"),
        ({**DB, "table": "t", "sql": "x"}, "Extra inputs"),
    ],
)
def test_a_mistake_about_a_database_is_named_without_a_secret(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as raised:
        DatabaseSource.model_validate(fields)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "table"),
        ({"table": "t", "partition": "day", "watermark": "at"}, "expected one of partition, watermark and changes"),
        ({"table": "t", "changes": True, "as_of": "window_end"}, "as_of: not with changes"),
        ({"table": "t", "zone": "UTC"}, "zone: only with watermark"),
        ({"table": "t", "as_of": "yesterday"}, "'latest' or 'window_end'"),
        ({"table": f"s3://key:{SECRET}@bucket/t"}, "without credentials"),
        ({"table": f"https://host/t?token={SECRET}"}, "expected a folder, or s3://"),
    ],
)
def test_a_mistake_about_a_delta_table_is_named_without_a_secret(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as raised:
        DeltaSource.model_validate(fields)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"call": "shop.orders"}, "expected package.module:function"),
        ({"call": "shop.orders:of_day()"}, "expected package.module:function"),
        ({"call": "shop:orders", "probe": "shop"}, "expected package.module:function"),
        ({"call": "shop:orders", "options": {"start": 1}}, "expected the name of a further argument"),
        ({"call": "shop:orders", "options": {"a b": 1}}, "expected the name of a further argument"),
    ],
)
def test_a_mistake_about_a_function_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FunctionSource.model_validate(fields)


@pytest.mark.parametrize("kind", [DatabaseSource, DeltaSource, FunctionSource])
def test_every_field_is_described(kind: type[DatabaseSource]) -> None:
    schema = kind.model_json_schema()
    assert [name for name, field in schema["properties"].items() if not field.get("description")] == []
