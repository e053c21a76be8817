"""Sinks in YAML: what each kind means, and what is refused, without repeating what may be a secret."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from batch_platform.errors import ConfigurationError
from batch_platform.sinks.declared import (
    DatabaseSink,
    FileFormat,
    FilesSink,
    Mode,
    RedisSink,
    WebhookSink,
    refuse_unknown_columns,
)
from batch_platform.sinks.parsing import parse_sinks

DECLARED = """
- files: {path: "exports/{partition}.csv"}
- files: {path: "s3://bucket/{partition}.parquet", name: lakehouse}
- database: {url_from: ORDERS_DATABASE_URL, table: scores.flight_delay, mode: upsert}
- redis: {url_from: REDIS_URL, prefix: "flight_delay:", value: late_probability, expire: 3d}
- redis: {url_from: REDIS_URL, prefix: "all:", value: [late_probability, late], name: both}
- webhook: {url_from: SCORES_WEBHOOK_URL, notify: true, secret_from: HOOK_SECRET}
"""


def test_every_kind_is_read() -> None:
    assert parse_sinks(yaml.safe_load(DECLARED)) == (
        FilesSink("exports/{partition}.csv"),
        FilesSink("s3://bucket/{partition}.parquet", "lakehouse"),
        DatabaseSink("ORDERS_DATABASE_URL", "scores.flight_delay", Mode.UPSERT),
        RedisSink("REDIS_URL", "flight_delay:", "late_probability", 259_200),
        RedisSink("REDIS_URL", "all:", ("late_probability", "late"), None, "both"),
        WebhookSink("SCORES_WEBHOOK_URL", "HOOK_SECRET"),
    )
    assert parse_sinks([]) == ()


@pytest.mark.parametrize("ending", list(FileFormat))
def test_the_ending_of_a_path_is_its_format(ending: FileFormat) -> None:
    assert FilesSink(f"{{partition}}.{ending}").format is ending


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({"ftp": {}}, r"entry 1: unknown kind 'ftp'"),
        ({"files": {}, "redis": {}}, "is not one kind"),
        ("files", "is not one kind"),
        ({"files": "exports/{partition}.csv"}, "files has no fields"),
        ({"files": {}}, "files needs path"),
        ({"files": {"path": "{partition}.csv", "pth": 1}}, "no field 'pth'"),
        ({"files": {"path": "all.csv"}}, r"no \{partition\}"),
        ({"files": {"path": "{partition}.xlsx"}}, "let it end with .csv, .parquet, .jsonl"),
        ({"files": {"path": "../{partition}.csv"}}, "without .."),
        ({"files": {"path": "{day}/{partition}.csv"}}, "no placeholder but"),
        ({"files": {"path": "{partition}.csv", "name": "a/b"}}, "use lower case"),
        ({"database": {"url_from": "URL", "table": "a.b.c"}}, "write table or schema.table"),
        ({"database": {"url_from": "URL", "table": 'x"; drop table y'}}, "write table or schema.table"),
        ({"database": {"url_from": "URL", "table": "x", "mode": "append"}}, "use one of upsert, replace"),
        ({"redis": {"url_from": "URL", "prefix": "x:", "value": "a", "expire": "3 days"}}, "write 90s"),
        ({"redis": {"url_from": "URL", "prefix": "x:", "value": []}}, "name a column"),
        ({"redis": {"url_from": "URL", "prefix": "", "value": "a"}}, "needs prefix"),
        ({"webhook": {"url_from": "URL", "notify": False}}, "leave the sink out"),
        ({"webhook": {"url_from": 3}}, "needs url_from"),
    ],
)
def test_what_makes_no_sense_is_refused(raw: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        parse_sinks([raw])


@pytest.mark.parametrize("kind", [{"table": "t"}, {"prefix": "p:", "value": "a"}, {}])
def test_an_address_in_place_of_a_variable_is_refused_and_not_repeated(kind: dict[str, str]) -> None:
    name = {2: "redis", 1: "database", 0: "webhook"}[len(kind)]
    with pytest.raises(ConfigurationError, match="not the name of an environment variable") as caught:
        parse_sinks([{name: {"url_from": "https://user:hunter2@host/path", **kind}}])
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("path", ["s3://key:hunter2@bucket/{partition}.csv", "az://box/{partition}.csv?sig=hunter2"])
def test_credentials_in_a_path_are_refused_and_not_repeated(path: str) -> None:
    with pytest.raises(ConfigurationError, match="its path holds credentials") as caught:
        parse_sinks([{"files": {"path": path}}])
    assert "hunter2" not in str(caught.value)


def test_two_sinks_of_one_name_are_refused() -> None:
    twice = [{"files": {"path": f"{folder}/{{partition}}.csv"}} for folder in "ab"]
    with pytest.raises(ConfigurationError, match="two sinks are named 'files'"):
        parse_sinks(twice)


def test_a_column_that_the_table_lacks_is_refused() -> None:
    sinks = (RedisSink("URL", "p:", ("late", "lte")), FilesSink("{partition}.csv"))
    with pytest.raises(ConfigurationError, match="sink 'redis': no column 'lte'"):
        refuse_unknown_columns(sinks, ["flight_id", "late"])
    refuse_unknown_columns(sinks, ["late", "lte"])
