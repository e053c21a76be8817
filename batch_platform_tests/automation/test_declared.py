"""A wrong declaration is one line: the file, the component, the field, what was found, what was expected.

Each case changes one thing in a pipeline that loads. Fields that the schema alone refuses are refused by Dagster,
with the file and the line; everything else is the components' own business.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from batch_platform.automation.declared import Partitioning, find
from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence
from batch_platform_tests.pipelines.project import Project

PIPELINE = "repeat_purchase"
SNAPSHOT, OUTCOMES, FEATURES, MODEL, PREDICTIONS = range(5)
COMPONENTS = ["InputSnapshot", "InputSnapshot", "FeatureTables", "ModelVersion", "PredictionTable"]
GONE = object()


def _changed(project: Project, document: int, path: str, value: object) -> None:
    """Set one attribute of one document, or take it out."""
    documents: list[Any] = copy.deepcopy(project.documents(PIPELINE))
    *parents, last = path.split(".")
    node = documents[document]["attributes"]
    for name in parents:
        node = node[name]
    if value is GONE:
        del node[last]
    else:
        node[last] = value
    project.declare(PIPELINE, documents)


def _refusal(project: Project) -> list[str]:
    """The messages of the error that loading ends with, the outermost first."""
    with pytest.raises(Exception) as caught:  # Dagster wraps what the components raise
        project.definitions()
    messages, error = [], caught.value
    while error is not None:
        messages.append(str(error))
        error = error.__cause__  # type: ignore[assignment]
    return messages


@pytest.mark.parametrize(
    ("document", "path", "value", "field", "expected"),
    [
        (SNAPSHOT, "bogus", 1, "attributes.bogus", "Extra inputs are not permitted"),
        (FEATURES, "bogus", 1, "attributes.bogus", "Extra inputs are not permitted"),
        (MODEL, "bogus", 1, "attributes.bogus", "Extra inputs are not permitted"),
        (PREDICTIONS, "bogus", 1, "attributes.bogus", "Extra inputs are not permitted"),
        (SNAPSHOT, "partitions.bogus", 1, "bogus", "Extra inputs are not permitted"),
        (SNAPSHOT, "source.bogus", 1, "bogus", "Extra inputs are not permitted"),
        (FEATURES, "quarantine.bogus", 1, "bogus", "Extra inputs are not permitted"),
        (MODEL, "label.bogus", 1, "bogus", "Extra inputs are not permitted"),
        (MODEL, "training.bogus", 1, "bogus", "Extra inputs are not permitted"),
        (PREDICTIONS, "slo.bogus", 1, "bogus", "Extra inputs are not permitted"),
        (SNAPSHOT, "name", GONE, "attributes.name", "Field required"),
        (SNAPSHOT, "source", GONE, "attributes.source", "Field required"),
        (SNAPSHOT, "partitions.start", GONE, "start", "Field required"),
        (MODEL, "label", GONE, "attributes.label", "Field required"),
        (MODEL, "label.from", GONE, "from", "Field required"),
        (MODEL, "training.holdout", GONE, "holdout", "Field required"),
        (PREDICTIONS, "outputs", GONE, "attributes.outputs", "Field required"),
        (PREDICTIONS, "slo.due", GONE, "due", "Field required"),
        (SNAPSHOT, "key", 5, "attributes.key", "Input should be a"),
        (SNAPSHOT, "name", "Bad Name", "attributes.name", "String should match pattern"),
        (FEATURES, "owners", 5, "attributes.owners", "Input should be a"),
        (FEATURES, "models", "../elsewhere", "attributes.models", "String should match pattern"),
        (MODEL, "gate", {"roc_auc": 0.5}, "roc_auc", "Input should be an object"),
        (MODEL, "trainer", "tabular", "attributes.trainer", "String should match pattern"),
        (PREDICTIONS, "outputs", ["score"], "attributes.outputs", "Input should be an object"),
        (PREDICTIONS, "outputs", {}, "attributes.outputs", "at least 1 item"),
    ],
)
def test_what_the_schema_refuses_is_told_with_file_line_and_field(
    project: Project, document: int, path: str, value: object, field: str, expected: str
) -> None:
    _changed(project, document, path, value)
    outer, inner = _refusal(project)[:2]
    assert f"defs.yaml[{document}] ({COMPONENTS[document]}) (error)" in outer
    told = [line for line in inner.splitlines() if field in line]
    assert told
    assert f"{project.defs(PIPELINE)}:" in told[0]
    assert expected in inner


@pytest.mark.parametrize(
    ("document", "path", "value", "message"),
    [
        (SNAPSHOT, "empty", "maybe", "field empty: expected 'allowed' or 'refused', found 'maybe'"),
        (SNAPSHOT, "partitions", "daily", "line 5, field partitions: expected a mapping of fields, found 'daily'"),
        (
            SNAPSHOT,
            "partitions.cadence",
            "dayly",
            "line 5, field partitions.cadence: expected 'hourly', 'daily', 'weekly' or 'monthly', found 'dayly'",
        ),
        (SNAPSHOT, "partitions.start", "2025-1-5", "start '2025-1-5' is not of the form %Y-%m-%d"),
        (SNAPSHOT, "partitions.timezone", "Mars/Base", "unknown time zone 'Mars/Base' (use an IANA name such as"),
        (SNAPSHOT, "partitions.cadence", "hourly", "start '2025-01-05' is not of the form %Y-%m-%d-%H:%M"),
        (SNAPSHOT, "available", "noon", "'noon' is not an offset (write it like '-1d 18:00', '+1d' or '6h')"),
        (SNAPSHOT, "available", "+1d 25:00", "'+1d 25:00' has no such time of day (use 00:00 to 23:59)"),
        (SNAPSHOT, "ahead", "-2d", "ahead is -2 (use 0 or more partitions)"),
        (
            SNAPSHOT,
            "source",
            {},
            "field source: expected exactly one of demo, files, sql, delta, function; found none of them",
        ),
        (
            SNAPSHOT,
            "source",
            {"demo": "nycflights13/aircraft", "files": "a.csv"},
            "field source: expected exactly one of demo, files, sql, delta, function; found demo and files",
        ),
        (SNAPSHOT, "source", {"demo": "nycflights13/hotels"}, "field source.demo: expected 'nycflights13/flight_sched"),
        (SNAPSHOT, "source", {"files": "a.xlsx"}, "field source: format: cannot be told from 'a.xlsx'; expected csv"),
        (SNAPSHOT, "source", {"files": "{day}.csv"}, "field source.files: unknown placeholder {day}; expected {part"),
        (SNAPSHOT, "source.columns", {"id": "NUMBER"}, "column 'id': 'NUMBER' is not a type; expected one of BIGINT"),
        (FEATURES, "models", "nothing", "the folder holds no SQL model (add <name>.sql)"),
        (FEATURES, "known_at", "soon", "'soon' is not an offset (write it like"),
        (FEATURES, "quarantine.stop_above", "lots", 'stop_above: \'lots\' is no tolerance (write "1%" or "100 rows")'),
        (
            FEATURES,
            "known_at",
            "+1d 05:00",
            "snapshots/orders is known at '+1d 06:00', after the decision time '+1d 05:00': reading it would look into",
        ),
        (MODEL, "features", "nothing", "there is no feature table 'nothing' (there are order_features)"),
        (
            MODEL,
            "label.from",
            "nothing",
            "there is no snapshot 'snapshots/nothing' (there are snapshots/orders, snapshots/repeat_orders)",
        ),
        (MODEL, "serving_window", "daily", "field serving_window: expected 'weekly' or 'monthly', found 'daily'"),
        (MODEL, "training.seed", "lucky", "line 61, field training.seed: expected a valid integer"),
        (MODEL, "training.lookback", "5 apples", "'5 apples' is not a number of weeks (write it like '6 weeks')"),
        (MODEL, "training.lookback", "2 months", "'2 months' is not a number of weeks (write it like '6 weeks')"),
        (MODEL, "training.holdout", "0 weeks", "'0 weeks' is not a number of weeks (write it like '6 weeks')"),
        (MODEL, "gate", {"auc": {"at_least": 1}}, "gate: unknown metric 'auc' (use one of roc_auc, log_loss"),
        (PREDICTIONS, "features", "nothing", "there is no feature table 'nothing' (there are order_features)"),
        (PREDICTIONS, "engine", "warp", "unknown engine 'warp' (use one of local"),
        (PREDICTIONS, "version", "newest", "version 'newest' (use as_of, champion or a version number)"),
        (PREDICTIONS, "version", 0, "version 0 (use as_of, champion or a version number)"),
        (PREDICTIONS, "slo.due", "x", "'x' is not an offset"),
        (PREDICTIONS, "slo.due", "+1d 07:00", "slo.due '+1d 07:00' is not after known_at '+1d 08:00'"),
        (PREDICTIONS, "slo.warn", "+1d 11:00", "slo.warn '+1d 11:00' comes after slo.due '+1d 10:00' (warn earlier)"),
        (PREDICTIONS, "carry", ["nothing"], "order_features declares no column nothing"),
        (PREDICTIONS, "outputs", {"q": "1 > 2"}, "no output is a score; the model gives score"),
        (PREDICTIONS, "outputs", {"channel": "score"}, "output 'channel' is a key or carried column, too"),
        (PREDICTIONS, "outputs", {"p": "score", "q": "1"}, "field outputs.q: expected a valid string, found 1"),
    ],
)
def test_what_cannot_mean_what_it_says_is_one_line_with_file_component_and_field(
    project: Project, document: int, path: str, value: object, message: str
) -> None:
    name = str(project.documents(PIPELINE)[document]["attributes"].get("name", PIPELINE))  # type: ignore[attr-defined]
    _changed(project, document, path, value)
    outer, inner = _refusal(project)[:2]
    if path == "models":
        name = str(value)
    assert f"defs.yaml[{document}] ({COMPONENTS[document]}) (error)" in outer
    assert inner.startswith(f"{project.defs(PIPELINE)}, {COMPONENTS[document]} {name!r}")
    assert message in inner
    assert "\n" not in inner


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("schema.yml", lambda text: "version: 2\nmodels: []\n", "model 'order_features' has no contract (describe it"),
        ("schema.yml", lambda text: text.replace("{role: feature", "{role: carried"), "has no column of role feature"),
        ("order_features.sql", lambda text: text.replace("'repeat_orders': 3", "'repeat_orders': 0"), "lookback"),
        ("order_features.sql", lambda text: text.replace("'repeat_orders': 3", "'repeat_orders': -2"), "lookback"),
        ("order_features.sql", lambda text: text.replace("'repeat_orders': 3", "'nobody': 3"), "nobody"),
        (
            "order_features.sql",
            lambda text: text.replace(", lookback={'repeat_orders': 3}", ""),
            "snapshots/repeat_orders is known at '+3d', after the decision time '+1d 08:00': reading it would",
        ),
        (
            "order_features.sql",
            lambda text: text.replace("lookback={'repeat_orders': 3}", "lookback={'repeat_orders': 3, 'orders': 1}"),
            "so none tells its cadence (say it: config(cadence='daily'), or read one without a lookback)",
        ),
        (
            "order_features.sql",
            lambda text: text.replace("source('snapshots', 'orders')", "source('snapshots', 'nobody')"),
            "reads snapshots/nobody, which no component declares (there are snapshots/orders, snapshots/repeat_orders)",
        ),
    ],
)
def test_sql_and_contracts_that_do_not_fit_are_told_with_the_component_that_reads_them(
    project: Project, file: str, change: Callable[[str], str], message: str
) -> None:
    path = project.sql(PIPELINE) / file
    assert change(path.read_text()) != path.read_text()
    path.write_text(change(path.read_text()))
    inner = _refusal(project)[1]
    assert inner.startswith(f"{project.defs(PIPELINE)}, ")
    assert message in inner
    assert "\n" not in inner


def test_an_unquoted_start_date_means_the_same_as_a_quoted_one(project: Project) -> None:
    """Dagster reads YAML dates as text, so nothing is lost; what is given in Python must be text."""
    quoted = project.definitions().resolve_asset_graph()
    _changed(project, SNAPSHOT, "partitions.start", dt.date(2025, 1, 5))
    assert "start: 2025-01-05\n" in project.defs(PIPELINE).read_text()
    key = dg.AssetKey(["snapshots", "orders"])
    assert project.definitions().resolve_asset_graph().get(key).partitions_def == quoted.get(key).partitions_def
    with pytest.raises(ValueError, match=r"expected a quoted date such as '2025-01-06', found datetime.date"):
        Partitioning.model_validate({"cadence": "daily", "start": dt.date(2025, 1, 5)})


@pytest.mark.parametrize(
    ("cadence", "start", "ahead", "partitions"),
    [
        (Cadence.HOURLY, "2025-01-05-00:00", "1d 6h", 30),
        (Cadence.DAILY, "2025-01-05", "2d", 2),
        (Cadence.WEEKLY, "2025-01-05", "8d", 2),
        (Cadence.MONTHLY, "2025-01-01", "32d", 2),
        (Cadence.MONTHLY, "2025-01-01", "0d", 0),
    ],
)
def test_ahead_counts_whole_partitions(cadence: Cadence, start: str, ahead: str, partitions: int) -> None:
    assert Partitioning(cadence=cadence, start=start).calendar(ahead).ahead == partitions


def test_a_name_that_nobody_declares_is_told_with_those_there_are() -> None:
    assert find("b", {"a": 1, "b": 2}, "snapshot") == 2
    with pytest.raises(ConfigurationError, match=r"there is no snapshot 'c' \(there are a, b\)"):
        find("c", {"b": 2, "a": 1}, "snapshot")
    with pytest.raises(ConfigurationError, match=r"there is no snapshot 'c' \(there are none\)"):
        find("c", {}, "snapshot")


def test_a_template_that_cannot_be_resolved_names_its_field(project: Project, tmp_path: Path) -> None:
    _changed(project, SNAPSHOT, "available", "{{ nobody }}")
    inner = _refusal(project)[1]
    assert inner.startswith(f"{project.defs(PIPELINE)}, InputSnapshot 'orders', ")
    assert "field available" in inner
    assert "\n" not in inner
