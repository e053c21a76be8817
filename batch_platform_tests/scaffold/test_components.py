"""Each component's files: what stands in them, and the mistakes that are refused before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from batch_platform.errors import BatchPlatformError, ConfigurationError
from batch_platform.scaffold import feature_tables, input_snapshot, model_version, prediction_table
from batch_platform_tests.pipelines.project import Project
from batch_platform_tests.scaffold.project import stations, target

MODULES: dict[str, Any] = {
    "InputSnapshot": input_snapshot,
    "FeatureTables": feature_tables,
    "ModelVersion": model_version,
    "PredictionTable": prediction_table,
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with data and no pipeline."""
    return stations(tmp_path / "project", monkeypatch)


def scaffold(project: Project, component: str, path: str, **options: Any) -> list[str]:
    module = MODULES[component]
    lines: list[str] = module.scaffold(module.Params(**options), target(project, path), project.root)
    return lines


def sampled(project: Project) -> None:
    """The two snapshots and the features."""
    for name in ("station_days", "outages"):
        sample = project.root / f"data/{name}/2025-01-05.csv"
        scaffold(project, "InputSnapshot", f"bikes/{name}", sample=str(sample), timezone="Europe/Berlin")
    scaffold(project, "FeatureTables", "bikes/features", from_snapshot="station_days", carried=["zip"])


def test_a_snapshot_is_declared_as_its_sample_tells(project: Project) -> None:
    sampled(project)
    days, outages, _ = project.documents("bikes")
    assert days["attributes"] == {
        "name": "station_days",
        "partitions": {"cadence": "daily", "start": "2025-01-05", "timezone": "Europe/Berlin"},
        "available": "+1d",
        "source": {
            "files": "data/station_days/{partition_key}.csv",
            "columns": {
                "station_id": "BIGINT",
                "district": "VARCHAR",
                "Docks Count": "BIGINT",
                "bikes_count": "BIGINT",
                "zip": "VARCHAR",
                "order": "DOUBLE",
            },
        },
    }
    assert outages["attributes"]["name"] == "outages"  # type: ignore[index]
    assert "  # key: [station_id]  #" in project.defs("bikes").read_text()


def test_a_snapshot_without_a_sample_or_without_partitions(project: Project) -> None:
    scaffold(project, "InputSnapshot", "bikes/a", cadence="weekly", start="2025-01-05")
    (project.root / "register.csv").write_text("id\n1\n")
    scaffold(project, "InputSnapshot", "bikes/b", sample=str(project.root / "register.csv"))
    weekly, register = (document["attributes"] for document in project.documents("bikes"))
    assert weekly["partitions"] == {"cadence": "weekly", "start": "2025-01-05"}  # type: ignore[index]
    assert weekly["available"] == "+7d"  # type: ignore[index]
    assert register == {"name": "b", "source": {"files": "register.csv", "columns": {"id": "BIGINT"}}}


def test_columns_with_strange_names_and_types_are_declared_or_told(project: Project) -> None:
    columns = {"Größe: #1": [1], "yes": [True], "p": pa.array([1], pa.decimal128(5, 2)), "tags\n": [["x"]]}
    pq.write_table(pa.table(columns), project.root / "a.parquet")
    scaffold(project, "InputSnapshot", "bikes/a", sample=str(project.root / "a.parquet"))
    (document,) = project.documents("bikes")
    assert document["attributes"]["source"]["columns"] == {  # type: ignore[index]
        "Größe: #1": "BIGINT",
        "yes": "BOOLEAN",
        "p": "DECIMAL(5,2)",
    }
    text = project.defs("bikes").read_text()
    assert "      # 'tags\\n': list<" in text and "string> cannot be declared\n" in text


def test_features_hand_on_every_column_under_a_name_that_sql_can_spell(project: Project) -> None:
    sampled(project)
    sql = (project.sql("bikes") / "station_days_features.sql").read_text()
    assert "config(key=['station_id'])" in sql and "-- The key is a guess" in sql
    assert '    "Docks Count" AS docks_count,\n' in sql and '    "order",\n    _source_file,\n    _source_row\n' in sql
    (model,) = yaml.safe_load((project.sql("bikes") / "schema.yml").read_text())["models"]
    columns = {column["name"]: column for column in model["columns"]}
    assert {name: (column["data_type"], column["meta"]["role"]) for name, column in columns.items()} == {
        "station_id": ("BIGINT", "key"),
        "district": ("VARCHAR", "feature"),
        "docks_count": ("BIGINT", "feature"),
        "bikes_count": ("BIGINT", "feature"),
        "zip": ("VARCHAR", "carried"),
        "order": ("DOUBLE", "feature"),
    }
    assert all(column["data_tests"] == ["not_null"] for column in columns.values())
    assert project.documents("bikes")[2]["attributes"] == {"models": "bikes", "known_at": "+1d"}


def test_a_second_model_of_a_folder_gets_a_property_file_of_its_own(project: Project) -> None:
    sampled(project)
    before = (project.sql("bikes") / "schema.yml").read_text()
    scaffold(project, "FeatureTables", "bikes/more", from_snapshot="outages", key=["station_id"])
    assert (project.sql("bikes") / "schema.yml").read_text() == before
    assert (project.sql("bikes") / "outages_features.yml").exists()
    assert "guess" not in (project.sql("bikes") / "outages_features.sql").read_text()
    assert len(project.documents("bikes")) == 3


def test_times_and_moments_are_carried_in_utc(project: Project) -> None:
    (project.root / "a.csv").write_text("id,at,day\n1,2025-01-05T10:00:00,2025-01-05\n2,,\n")
    scaffold(project, "InputSnapshot", "shop/a", sample=str(project.root / "a.csv"))
    scaffold(project, "FeatureTables", "shop/features")
    assert '    "at" AT TIME ZONE \'UTC\' AS "at",\n' in (project.sql("shop") / "a_features.sql").read_text()
    (model,) = yaml.safe_load((project.sql("shop") / "schema.yml").read_text())["models"]
    assert [(c["data_type"], c["meta"]["role"], "data_tests" in c) for c in model["columns"]] == [
        ("BIGINT", "key", True),
        ("TIMESTAMPTZ", "carried", False),
        ("DATE", "carried", False),
    ]


def test_model_and_predictions_name_what_is_there(project: Project) -> None:
    sampled(project)
    features = {"features": "features/station_days_features", "label_from": "outages"}
    scaffold(project, "ModelVersion", "bikes/model", label="empty_minutes > 20", **features)
    scaffold(project, "PredictionTable", "bikes/predictions")
    model, predictions = (document["attributes"] for document in project.documents("bikes")[3:])
    assert model == {
        "name": "bikes",
        "features": "station_days_features",
        "label": {"from": "outages", "sql": "empty_minutes > 20"},
        "serving_window": "monthly",
        "training": {"lookback": "6 months", "holdout": "1 month"},
    }
    assert predictions == {
        "name": "bikes",
        "features": "station_days_features",
        "registered_model": "bikes",
        "outputs": {"bikes_probability": "score"},
    }


@pytest.mark.parametrize(
    ("component", "options", "said"),
    [
        ("InputSnapshot", {"name": "No Name"}, "'No Name' is no name"),
        ("InputSnapshot", {"name": "outages"}, "there is an InputSnapshot 'outages' already"),
        ("InputSnapshot", {"cadence": "daily"}, "--cadence without --start"),
        ("InputSnapshot", {"start": "2025-01-05"}, "--start without --cadence"),
        ("InputSnapshot", {"cadence": "daily", "start": "yesterday"}, "'yesterday' is not of the form"),
        ("InputSnapshot", {"sample": "none.csv"}, "there is no such file"),
        ("FeatureTables", {"from_snapshot": "nothing"}, "there is no InputSnapshot 'nothing'"),
        ("FeatureTables", {}, "--from-snapshot is missing"),
        ("FeatureTables", {"from_snapshot": "station_days"}, "exists already"),
        ("FeatureTables", {"from_snapshot": "outages", "name": "a-b"}, "'a-b' is no name"),
        ("FeatureTables", {"from_snapshot": "outages", "models": "../x"}, "'..' is no name"),
        ("FeatureTables", {"from_snapshot": "outages", "key": ["x"]}, "the key column 'x' is no column"),
        ("FeatureTables", {"from_snapshot": "outages", "carried": ["x"]}, "--carried 'x' is no column"),
        ("FeatureTables", {"from_snapshot": "outages", "sample": "none.csv"}, "there is no such file"),
        ("FeatureTables", {"from_snapshot": "outages", "known_at": "soon"}, "'soon' is not an offset"),
        ("ModelVersion", {}, "--features is missing"),
        ("ModelVersion", {"features": "nothing"}, "there is no feature table 'nothing'"),
        ("ModelVersion", {"features": "station_days_features"}, "--label-from is missing"),
        (
            "ModelVersion",
            {"features": "station_days_features", "label_from": "outages"},
            "--label is missing",
        ),
        (
            "ModelVersion",
            {"features": "station_days_features", "label_from": "outages", "label": "empty_minutes"},
            "--label 'empty_minutes' is BIGINT, no condition",
        ),
        (
            "ModelVersion",
            {"features": "station_days_features", "label_from": "station_days", "label": "Bikes_count > 1"},
            "the model would see the answer",
        ),
        ("PredictionTable", {}, "no ModelVersion makes 'bikes'"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    project: Project, component: str, options: dict[str, Any], said: str
) -> None:
    sampled(project)
    before = {path: path.read_bytes() for path in project.root.rglob("*") if path.is_file()}
    with pytest.raises(BatchPlatformError) as raised:
        scaffold(project, component, "bikes/new", **options)
    assert said in str(raised.value) and "\n" not in str(raised.value)
    assert {path: path.read_bytes() for path in project.root.rglob("*") if path.is_file()} == before


def test_a_table_without_partitions_needs_no_key_and_has_no_positions(project: Project) -> None:
    (project.root / "a.csv").write_text("x,at\n1,2025-01-05T10:00:00\n1,\n")
    scaffold(project, "InputSnapshot", "shop/a", sample=str(project.root / "a.csv"))
    scaffold(project, "FeatureTables", "shop/features")
    sql = (project.sql("shop") / "a_features.sql").read_text()
    assert "config" not in sql and "_source_row" not in sql and "ORDER BY" not in sql
    keys = project.definitions().resolve_asset_graph().get_all_asset_keys()
    assert {key.to_user_string() for key in keys} >= {"snapshots/a", "features/a_features"}


def test_the_key_of_partitioned_rows_must_be_known(project: Project) -> None:
    (project.root / "a.csv").write_text("x\n1\n1\n")
    options = {"sample": str(project.root / "a.csv"), "cadence": "daily", "start": "2025-01-05"}
    scaffold(project, "InputSnapshot", "shop/a", **options)
    with pytest.raises(ConfigurationError, match="nothing tells what identifies a row"):
        scaffold(project, "FeatureTables", "shop/features")
