"""A second pipeline of another domain, from CSV files to predictions, through Dagster, without touching any code."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from batch_platform.automation.catch_up import RunFailedError, Wanted
from batch_platform.automation.location import load_definitions
from batch_platform.automation.reporting import DATA_VERSION_TAG, ERROR_CHECK, asset_key
from batch_platform.lake.table import Table
from batch_platform.settings import Settings
from batch_platform_tests.pipelines.console import shown
from batch_platform_tests.pipelines.project import Project, execute, run, write_orders

DAYS = tuple(f"2025-01-{day:02}" for day in range(5, 23))
SCORED = DAYS[-3:]
LAST = DAYS[-1]
WINDOW = "2025-01-19"
ORDERS, OUTCOMES = Wanted("snapshots/orders", DAYS), Wanted("snapshots/repeat_orders", DAYS)
FEATURES = Wanted("features/order_features", DAYS, ("quarantine/order_features",))
MODEL = Wanted("models/repeat_purchase", (WINDOW,), in_lake=False)
PREDICTIONS = Wanted("predictions/repeat_purchase", SCORED, ("quarantine/repeat_purchase",))


def _rows(settings: Settings, table: str, day: str) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(Table(settings.lake, table).read([day])))


def _digests(settings: Settings, wanted: Wanted) -> dict[str, str]:
    return {key: found.record.digest for key, found in Table(settings.lake, wanted.table).records(wanted.keys).items()}


def _versions(instance: dg.DagsterInstance, wanted: Wanted) -> dict[str, str]:
    """The newest data version of each partition, as Dagster knows it."""
    found: dict[str, str] = {}
    for record in instance.fetch_materializations(asset_key(wanted.table), limit=1000).records:
        event = record.asset_materialization
        assert event is not None and event.partition is not None and event.tags is not None
        found.setdefault(event.partition, event.tags[DATA_VERSION_TAG])
    return found


@pytest.mark.slow
def test_from_csv_files_to_predictions_and_a_corrected_file_flows_through(
    project: Project, instance: dg.DagsterInstance, settings: Settings
) -> None:
    write_orders(project.root, DAYS)
    definitions = project.definitions()
    for wanted in (ORDERS, OUTCOMES, FEATURES, MODEL, PREDICTIONS):
        assert run(definitions, instance, wanted, settings) == list(wanted.keys)
        assert run(definitions, instance, wanted, settings) == []

    predictions = _rows(settings, PREDICTIONS.table, LAST)
    assert predictions.height == _rows(settings, FEATURES.table, LAST).height == 60
    assert predictions.get_column("repeat_probability").is_between(0, 1).all()
    assert predictions.get_column("is_loyal").to_list() == [
        score >= 0.5 for score in predictions.get_column("repeat_probability")
    ]
    assert predictions.get_column("_model_version").unique().to_list() == ["1"]
    assert predictions.get_column("channel").is_in(["web", "app", "store"]).all()
    record = Table(settings.lake, PREDICTIONS.table).records(SCORED)[LAST].record
    assert record.ledger.outcomes == {"scored": 60, "reused": 0, "failed": 0}

    # The same files again: nothing changes, neither in the lake nor in Dagster's data versions.
    before = {wanted.table: _digests(settings, wanted) for wanted in (ORDERS, FEATURES, PREDICTIONS)}
    version = Table(settings.lake, ORDERS.table).open().version()  # type: ignore[union-attr]
    run(definitions, instance, ORDERS, settings, again=True)
    assert _digests(settings, ORDERS) == before[ORDERS.table] == _versions(instance, ORDERS)
    assert Table(settings.lake, ORDERS.table).open().version() == version  # type: ignore[union-attr]

    # The shop corrects one amount of the last day, and sends a row that breaks the contract.
    part = project.root / "data" / "orders" / LAST / "part-1.csv"
    header, first, second, *rest = part.read_text().splitlines()
    number, customer, channel, _, items = first.split(",")
    corrected = f"{number},{customer},{channel},999.50,{items}"
    broken = second.replace(",app,", ",fax,").replace(",web,", ",fax,").replace(",store,", ",fax,")
    part.write_text("\n".join([header, corrected, broken, *rest]) + "\n")
    tables = (ORDERS.table, FEATURES.table, *FEATURES.with_tables, PREDICTIONS.table, *PREDICTIONS.with_tables)
    assert execute(definitions, instance, tables, SCORED[0], LAST).success

    for wanted in (ORDERS, FEATURES, PREDICTIONS):
        after = _digests(settings, wanted)
        assert {key for key in after if after[key] != before[wanted.table][key]} == {LAST}
        assert _versions(instance, wanted) == after
    features = _rows(settings, FEATURES.table, LAST)
    assert features.filter(pl.col("order_id") == int(number)).get_column("amount_euros").to_list() == [999.5]
    rejected = _rows(settings, "quarantine/order_features", LAST)
    assert rejected.get_column("order_id").to_list() == [int(second.split(",")[0])]
    assert rejected.get_column("_source_file").to_list() == [f"data/orders/{LAST}/part-1.csv"]
    assert rejected.get_column("_source_row").to_list() == [2]
    ledgers = Table(settings.lake, FEATURES.table).records([LAST])[LAST].record.ledger
    assert ledgers.outcomes == {"valid": 59, "quarantined": 1}
    assert _rows(settings, PREDICTIONS.table, LAST).height == 59
    assert shown(project, instance, PREDICTIONS.table).partitions == [(SCORED[0], LAST, "MATERIALIZED")]


def test_a_malformed_day_names_its_file_and_row_and_the_other_days_arrive(
    project: Project, instance: dg.DagsterInstance, settings: Settings
) -> None:
    days = DAYS[:3]
    write_orders(project.root, days)
    path = project.root / "data" / "orders" / days[1] / "part-1.csv"
    path.write_text(path.read_text().replace(".50,", ".5x,", 1))
    result = execute(project.definitions(), instance, [ORDERS.table], days[0], days[2])
    assert result.success
    failed = [item for item in result.get_asset_check_evaluations() if not item.passed]
    assert [(item.check_name, item.partition) for item in failed] == [(ERROR_CHECK, days[1])]
    assert f"data/orders/{days[1]}/part-1.csv" in (failed[0].description or "")
    assert "amount_euros" in (failed[0].description or "")
    assert Table(settings.lake, ORDERS.table).partitions() == {days[0], days[2]}


def test_a_duplicate_order_across_two_parts_is_refused_with_both_places(
    project: Project, instance: dg.DagsterInstance, settings: Settings
) -> None:
    day = DAYS[0]
    write_orders(project.root, [day])
    folder = project.root / "data" / "orders" / day
    (folder / "part-2.csv").write_text((folder / "part-0.csv").read_text())
    with pytest.raises(RunFailedError, match=r"duplicate key order_id=\d+: .*part-0.csv row 1 and .*part-2.csv row 1"):
        run(project.definitions(), instance, Wanted(ORDERS.table, (day,)), settings)


def test_predictions_read_the_version_whose_window_has_begun_at_the_decision_time(project: Project) -> None:
    """Orders are scored at eight in the morning after, so the version of the next day's week serves a Saturday."""
    graph = project.definitions().resolve_asset_graph()
    mapping = graph.get(asset_key(PREDICTIONS.table)).partition_mappings[asset_key(MODEL.table)]
    days, weeks = (graph.get(asset_key(table)).partitions_def for table in (PREDICTIONS.table, MODEL.table))
    assert isinstance(days, dg.TimeWindowPartitionsDefinition) and weeks is not None
    read = {}
    for day in ("2025-01-24", "2025-01-25", "2025-01-26"):
        subset = days.empty_subset().with_partition_keys([day])
        found = mapping.get_upstream_mapped_partitions_result_for_partitions(subset, days, weeks)
        read[day] = list(found.partitions_subset.get_partition_keys())
    assert read == {"2025-01-24": ["2025-01-19"], "2025-01-25": ["2025-01-26"], "2025-01-26": ["2025-01-26"]}


def test_adding_a_pipeline_creates_its_own_files_and_changes_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real pipeline and this one live in one project; the real one's assets are what they are alone."""
    package = Path(__file__).parents[2]
    monkeypatch.setenv("BATCH_PLATFORM_PROJECT", str(tmp_path))
    both = Project.create(tmp_path / "both")
    monkeypatch.setenv("BATCH_PLATFORM_PROJECT", str(both.root))
    both.defs("flight_delay").parent.mkdir()
    both.sql("flight_delay").mkdir()
    both.defs("flight_delay").write_text((package / "batch_platform/defs/flight_delay/defs.yaml").read_text())
    for path in (package / "dbt_like_sql/models/flight_delay").iterdir():
        (both.sql("flight_delay") / path.name).write_text(path.read_text())
    contents = {path: path.read_bytes() for path in both.root.rglob("*") if path.is_file()}
    alone = both.definitions().resolve_asset_graph()

    added = both.add("repeat_purchase")

    together = both.definitions().resolve_asset_graph()
    kept_aside = ("__pycache__", "local")  # caches, which may be deleted at any time
    now = {
        path: path.read_bytes()
        for path in both.root.rglob("*")
        if path.is_file() and not set(path.parts) & set(kept_aside)
    }
    assert {path: now[path] for path in contents} == contents
    assert set(now) - set(contents) == {*added}
    assert {path.parent.name for path in added} == {"repeat_purchase"}
    for key in alone.get_all_asset_keys():
        one, other = alone.get(key), together.get(key)
        assert one.partitions_def == other.partitions_def
        assert one.partition_mappings == other.partition_mappings
        assert {*one.parent_keys} == {*other.parent_keys}
        assert (one.group_name, one.owners, one.tags) == (other.group_name, other.owners, other.tags)
        assert {*one.check_keys} == {*other.check_keys}
    new = together.get_all_asset_keys() - alone.get_all_asset_keys()
    assert {together.get(key).group_name for key in new} == {"repeat_purchase"}
    shipped = load_definitions()[0].resolve_asset_graph().get_all_asset_keys()
    assert alone.get_all_asset_keys() <= {*shipped}
