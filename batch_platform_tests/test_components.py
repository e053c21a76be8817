"""What the four components make of a pipeline: calendars, order, dependencies, and what they refuse together."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from batch_platform.automation.reporting import asset_key
from batch_platform_tests.features.projects import write
from batch_platform_tests.pipelines.fixtures import project as project_fixture
from batch_platform_tests.pipelines.project import Project

project = project_fixture
PIPELINE = "repeat_purchase"
SNAPSHOT, OUTCOMES, FEATURES, MODEL, PREDICTIONS = range(5)
SECOND_MODEL = """{{ config(key=['order_id']) }}
SELECT order_id, channel, amount_euros * 100 AS amount_cents, _source_file, _source_row
FROM {{ ref('order_features') }}
"""
SECOND_CONTRACT = """
  - name: {name}
    columns:
      - {{name: order_id, data_type: BIGINT, meta: {{role: key}}, data_tests: [not_null]}}
      - {{name: channel, data_type: VARCHAR, meta: {{role: feature}}}}
      - {{name: amount_cents, data_type: DOUBLE, meta: {{role: feature}}}}
"""


def _attributes(documents: list[Any], document: int) -> dict[str, Any]:
    found: dict[str, Any] = documents[document]["attributes"]
    return found


def _graph(project: Project) -> Any:
    return project.definitions().resolve_asset_graph()


def _refusal(project: Project) -> str:
    """Everything that the error of loading says, from the outermost to the innermost."""
    with pytest.raises(Exception) as caught:
        project.definitions().resolve_asset_graph()
    lines, error = [], caught.value
    while error is not None:
        lines.append(str(error))
        error = error.__cause__  # type: ignore[assignment]
    return "\n".join(lines)


def _add_model(project: Project, name: str, sql: str) -> None:
    (project.sql(PIPELINE) / f"{name}.sql").write_text(sql)
    contract = project.sql(PIPELINE) / "schema.yml"
    contract.write_text(contract.read_text() + SECOND_CONTRACT.format(name=name))


def test_a_model_reads_another_model_whatever_their_names_order(project: Project) -> None:
    _add_model(project, "a_comes_first", SECOND_MODEL)
    node = _graph(project).get(asset_key("features/a_comes_first"))
    assert node.parent_keys == {asset_key("features/order_features")}
    assert node.partitions_def == _graph(project).get(asset_key("features/order_features")).partitions_def


def test_models_that_read_one_another_are_refused_by_name(project: Project) -> None:
    _add_model(project, "first", SECOND_MODEL.replace("order_features", "second"))
    _add_model(project, "second", SECOND_MODEL.replace("order_features", "first"))
    told = _refusal(project)
    assert f"{project.defs(PIPELINE)}, FeatureTables" in told
    assert "models read one another in a circle: first reads second reads first" in told


def test_features_begin_with_the_youngest_input_and_exist_as_far_ahead_as_the_shortest(project: Project) -> None:
    documents = project.documents(PIPELINE)
    _attributes(documents, SNAPSHOT)["ahead"] = "2d"
    _attributes(documents, SNAPSHOT)["partitions"]["start"] = "2025-02-03"
    project.declare(PIPELINE, documents)
    found = _graph(project).get(asset_key("features/order_features")).partitions_def
    assert (f"{found.start:%Y-%m-%d}", found.end_offset, found.timezone) == ("2025-02-03", 2, "Europe/Berlin")


@pytest.mark.parametrize(
    ("start", "window", "lookback", "holdout", "first"),
    [
        ("2025-01-05", "weekly", "1 week", "1 week", "2025-01-19"),
        ("2025-01-06", "weekly", "2 weeks", "1 week", "2025-02-02"),
        ("2025-01-01", "monthly", "6 months", "1 month", "2025-08-01"),
        ("2025-01-06", "monthly", "6 months", "1 month", "2025-09-01"),
        ("2025-12-31", "monthly", "1 month", "1 month", "2026-03-01"),
    ],
)
def test_versions_begin_with_the_first_window_whose_whole_training_has_features(
    project: Project, start: str, window: str, lookback: str, holdout: str, first: str
) -> None:
    documents = project.documents(PIPELINE)
    for document in (SNAPSHOT, OUTCOMES):
        _attributes(documents, document)["partitions"]["start"] = start
    _attributes(documents, MODEL)["serving_window"] = window
    _attributes(documents, MODEL)["training"] = {"lookback": lookback, "holdout": holdout}
    project.declare(PIPELINE, documents)
    graph = _graph(project)
    found = graph.get(asset_key("models/repeat_purchase"))
    assert found.partitions_def.get_first_partition_key() == first
    reach = -int(lookback.split()[0]) - int(holdout.split()[0])
    for mapping in found.partition_mappings.values():
        assert (mapping.start_offset, mapping.end_offset) == (reach, -1)


@pytest.mark.parametrize(
    ("known_at", "offset"),
    [("-1d 18:00", -1), ("-2d 06:00", -2), ("0d", 0), ("0d 08:00", 0), ("+1d", 1), ("+1d 08:00", 1), ("+2d 23:00", 2)],
)
def test_the_version_that_serves_is_that_of_the_decision_time(project: Project, known_at: str, offset: int) -> None:
    documents = project.documents(PIPELINE)
    _attributes(documents, SNAPSHOT)["available"] = "-3d"
    _attributes(documents, FEATURES)["known_at"] = known_at
    _attributes(documents, PREDICTIONS).pop("slo")
    project.declare(PIPELINE, documents)
    node = _graph(project).get(asset_key("predictions/repeat_purchase"))
    mapping = node.partition_mappings[asset_key("models/repeat_purchase")]
    assert (mapping.start_offset, mapping.end_offset) == (offset, offset)


def test_a_pinned_version_needs_no_component_that_trains_it(project: Project) -> None:
    documents = project.documents(PIPELINE)
    _attributes(documents, PREDICTIONS)["version"] = 3
    _attributes(documents, PREDICTIONS)["registered_model"] = "bought_elsewhere"
    del documents[MODEL]
    project.declare(PIPELINE, documents)
    node = _graph(project).get(asset_key("predictions/repeat_purchase"))
    assert node.parent_keys == {asset_key("features/order_features")}


@pytest.mark.parametrize(
    ("partitions", "message"),
    [
        ({"cadence": "daily", "start": "2025-01-05", "timezone": "UTC"}, "reads partitions in several time zones: "),
        ({"cadence": "hourly", "start": "2025-01-05-00:00"}, "daily in Europe/Berlin, hourly in UTC"),
    ],
)
def test_an_input_of_another_time_zone_is_refused(project: Project, partitions: dict[str, str], message: str) -> None:
    documents = project.documents(PIPELINE)
    _attributes(documents, OUTCOMES)["partitions"] = partitions
    project.declare(PIPELINE, documents)
    told = _refusal(project)
    assert f"{project.defs(PIPELINE)}, FeatureTables 'repeat_purchase'" in told
    assert message in told


@pytest.mark.parametrize(
    ("partitions", "message"),
    [
        (None, "label: snapshots/label has no partitions"),
        (
            {"cadence": "weekly", "start": "2025-01-05", "timezone": "Europe/Berlin"},
            "label: snapshots/label has weekly Europe/Berlin partitions, the features daily Europe/Berlin ones",
        ),
        (
            {"cadence": "daily", "start": "2025-01-05"},
            "label: snapshots/label has daily UTC partitions, the features daily Europe/Berlin ones",
        ),
    ],
)
def test_a_label_of_another_calendar_is_refused_before_anything_runs(
    project: Project, partitions: dict[str, str] | None, message: str
) -> None:
    documents: list[Any] = project.documents(PIPELINE)
    attributes = {"name": "label", "source": {"files": "label.csv"}, "partitions": partitions}
    documents.append({"type": "batch_platform.InputSnapshot", "attributes": attributes})
    _attributes(documents, MODEL)["label"]["from"] = "label"
    project.declare(PIPELINE, documents)
    told = _refusal(project)
    assert f"{project.defs(PIPELINE)}, ModelVersion 'repeat_purchase'" in told
    assert message in told


@pytest.mark.parametrize("document", [SNAPSHOT, MODEL, PREDICTIONS])
def test_a_name_that_two_pipelines_use_is_refused_with_file_and_component(project: Project, document: int) -> None:
    twin: dict[str, Any] = project.documents(PIPELINE)[document]
    project.declare("a_copy", [twin])
    kind = twin["type"].removeprefix("batch_platform.")
    told = _refusal(project)
    assert f"{project.defs('a_copy')}, {kind} {twin['attributes']['name']!r}" in told
    assert "another component of this kind has the same name: " in told


def test_a_pipeline_may_read_the_snapshots_of_another(project: Project) -> None:
    documents = project.documents(PIPELINE)
    project.declare("shared", documents[:2])
    project.declare(PIPELINE, documents[2:])
    graph = _graph(project)
    assert graph.get(asset_key("snapshots/orders")).group_name == "shared"
    assert asset_key("snapshots/orders") in graph.get(asset_key("features/order_features")).parent_keys


def test_features_and_predictions_of_one_name_are_refused(project: Project) -> None:
    """Both would keep their rejected rows in one table."""
    documents = project.documents(PIPELINE)
    _attributes(documents, PREDICTIONS)["name"] = "order_features"
    project.declare(PIPELINE, documents)
    told = _refusal(project)
    assert f"{project.defs(PIPELINE)}, PredictionTable 'order_features'" in told
    expected = "predictions/order_features and features/order_features would share the table quarantine/order_features"
    assert expected in told


def test_a_model_name_that_two_folders_use_is_refused_with_both(project: Project) -> None:
    twin: dict[str, Any] = project.documents(PIPELINE)[FEATURES]
    twin["attributes"]["models"] = "a_copy"
    project.declare("a_copy", [twin])
    project.sql("a_copy").mkdir()
    shutil.copy(project.sql(PIPELINE) / "order_features.sql", project.sql("a_copy"))
    told = _refusal(project)
    assert f"{project.defs('a_copy')}, FeatureTables 'a_copy'" in told
    files = {folder: project.sql(folder) / "order_features.sql" for folder in (PIPELINE, "a_copy")}
    assert f"{files[PIPELINE]}: {files['a_copy']} has the same name (rename one of them)" in told


def test_a_folder_of_models_that_two_components_name_is_refused(project: Project) -> None:
    project.declare("a_copy", [project.documents(PIPELINE)[FEATURES]])
    told = _refusal(project)
    assert f"FeatureTables '{PIPELINE}'" in told
    assert "name the folder in one component only" in told


def test_a_mistake_is_told_with_the_pipeline_that_made_it(project: Project) -> None:
    """Pipelines ask one another what they declare; the first one built must not be blamed for another's mistake."""
    documents = project.documents(PIPELINE)
    _attributes(documents, MODEL)["training"]["lookback"] = "six weeks"
    project.declare("a_first_pipeline", [project.documents(PIPELINE)[SNAPSHOT]])
    first = project.documents("a_first_pipeline")
    first[0]["attributes"]["name"] = "unrelated_orders"
    project.declare("a_first_pipeline", first)
    project.declare(PIPELINE, documents)
    told = _refusal(project)
    assert f"{project.defs(PIPELINE)}, ModelVersion 'repeat_purchase'" in told
    assert "a_first_pipeline, " not in told


SHOP = {
    "seeds/sizes.csv": "size,count\n1,2\n",
    "models/m/inner.sql": "{{ config(materialized='ephemeral') }} SELECT size AS own FROM {{ ref('sizes') }}",
    "models/m/shown.sql": "{{ config(materialized='view') }} SELECT own FROM {{ ref('inner') }}",
    "models/m/kept.sql": "{{ config(tags=['nightly'], meta={'owner': 'Ann Lee', 'rank': 1}) }}"
    " SELECT shown.own AS result, inner_.own AS again FROM {{ ref('shown') }} JOIN {{ ref('inner') }} AS inner_"
    " USING (own)",
}


def _shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Mapping[str, str]) -> Project:
    """A project of seeds and models without partitions."""
    made = Project.create(tmp_path / "shop")
    monkeypatch.setenv("BATCH_PLATFORM_PROJECT", str(made.root))
    monkeypatch.chdir(made.root)
    made.declare("shop", [{"type": "batch_platform.FeatureTables", "attributes": {"models": "m"}}])
    write(made.root / "dbt_like_sql", files)
    return made


def test_a_reader_of_a_view_depends_on_the_view_and_on_what_it_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = _graph(_shop(tmp_path, monkeypatch, SHOP))
    kept = graph.get(asset_key("features/kept"))
    assert kept.parent_keys == {asset_key("features/shown"), asset_key("seeds/sizes")}
    assert graph.get(asset_key("features/shown")).parent_keys == {asset_key("seeds/sizes")}
    lineage = kept.metadata["dagster/column_lineage"].deps_by_column
    # What a view yields is the view's; an ephemeral model is no asset.
    assert {name: [(d.asset_key, d.column_name) for d in deps] for name, deps in lineage.items()} == {
        "result": [(asset_key("features/shown"), "own")],
        "again": [(asset_key("seeds/sizes"), "size")],
    }
    assert kept.owners == ["team:Ann Lee"] and "nightly" in kept.tags
    assert kept.metadata["meta"].value == {"owner": "Ann Lee", "rank": 1}
    assert "meta" not in graph.get(asset_key("features/shown")).metadata


def test_a_reader_of_a_view_with_partitions_depends_on_the_same_partition(project: Project) -> None:
    _add_model(project, "a_view", SECOND_MODEL.replace("key=['order_id']", "materialized='view'"))
    sql = SECOND_MODEL.replace("order_features", "a_view").replace("amount_euros * 100 AS amount_cents", "amount_cents")
    _add_model(project, "reader", sql)
    node = _graph(project).get(asset_key("features/reader"))
    assert node.parent_keys == {asset_key("features/a_view"), asset_key("features/order_features")}
    mapping = node.partition_mappings[asset_key("features/a_view")]
    assert (mapping.start_offset, mapping.end_offset) == (0, 0)


def test_readers_of_a_view_whose_check_fails_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = "models:\n  - name: shown\n    columns:\n      - {name: own, data_tests: [{range: {min: 5}}]}\n"
    made = _shop(tmp_path, monkeypatch, SHOP | {"models/m/schema.yml": schema})
    with dg.DagsterInstance.ephemeral() as instance:
        job = made.definitions().resolve_implicit_global_asset_job_def()
        config = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        ended = job.execute_in_process(instance=instance, raise_on_error=False, run_config=config)
    done = {event.asset_key for event in ended.all_events if event.is_step_materialization}
    assert asset_key("seeds/sizes") in done and asset_key("features/kept") not in done


def test_a_seed_has_the_version_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = _shop(tmp_path, monkeypatch, SHOP)
    first = _graph(made).get(asset_key("seeds/sizes")).code_version
    assert first and _graph(made).get(asset_key("seeds/sizes")).code_version == first
    write(made.root / "dbt_like_sql", {"seeds/sizes.csv": "size,count\n1,3\n"})
    assert _graph(made).get(asset_key("seeds/sizes")).code_version != first


@pytest.mark.parametrize(
    ("config", "said"),
    [("tags=['my tag!']", "'my tag!' cannot be a tag"), ("meta={'owner': '@ann'}", "'@ann' cannot be an owner")],
)
def test_a_tag_or_an_owner_that_cannot_be_shown_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, said: str
) -> None:
    made = _shop(tmp_path, monkeypatch, {"models/m/a.sql": f"-- a\n{{{{ config({config}) }}}} SELECT 1 AS n"})
    assert f"models/m/a.sql:2: {said}" in _refusal(made)
