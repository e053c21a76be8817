"""The asset graph as it stands, and what loading it costs.

The graph of the pipeline `flight_delay` is kept in `flight_delay_graph.txt` beside this file, so that a change to it
is read by a person. To write it anew after a change that is meant:

    UPDATE_SNAPSHOTS=1 pytest batch_platform_tests/test_definitions.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from batch_platform.automation.location import load_definitions

GRAPH = Path(__file__).with_name("flight_delay_graph.txt")
COMPONENTS = ["FeatureTables", "InputSnapshot", "ModelVersion", "Operations", "PredictionTable"]


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    """The project's own code location."""
    found, _ = load_definitions()
    return found


def _described(definitions: dg.Definitions, group: str) -> Iterator[str]:
    graph = definitions.resolve_asset_graph()
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        if node.group_name != group:
            continue
        yield f"asset {key.to_user_string()}"
        yield f"  group: {node.group_name}"
        yield f"  owners: {', '.join(sorted(node.owners))}"
        yield f"  kinds: {', '.join(sorted(node.kinds))}"
        for name, value in sorted(node.tags.items()):
            if not name.startswith("dagster/kind/"):
                yield f"  tag: {name} = {value}"
        yield f"  partitions: {_partitions(node.partitions_def)}"
        yield f"  backfill: {node.backfill_policy.policy_type.value if node.backfill_policy else 'none'}"
        for parent in sorted(node.parent_keys):
            yield f"  reads: {parent.to_user_string()}, {_mapping(node.partition_mappings.get(parent))}"
        for check in sorted(node.check_keys, key=lambda item: item.name):
            spec = graph.get_check_spec(check)
            partitioned = "partitioned" if spec.partitions_def == node.partitions_def else "WITHOUT ITS PARTITIONS"
            yield f"  check: {check.name}, {'blocking' if spec.blocking else 'not blocking'}, {partitioned}"
        yield ""


def _partitions(found: dg.PartitionsDefinition[str] | None) -> str:
    if found is None:
        return "none"
    assert isinstance(found, dg.TimeWindowPartitionsDefinition)
    return f"{found.cron_schedule} from {found.start:%Y-%m-%d} {found.timezone}, {found.end_offset} ahead"


def _mapping(found: dg.PartitionMapping | None) -> str:
    if found is None:
        return "by default"
    assert isinstance(found, dg.TimeWindowPartitionMapping)
    lenient = ", some may not exist" if found.allow_nonexistent_upstream_partitions else ""
    return f"{found.start_offset:+d} to {found.end_offset:+d}{lenient}"


def test_the_graph_of_the_pipeline_is_the_one_on_file(definitions: dg.Definitions) -> None:
    found = "\n".join(_described(definitions, "flight_delay"))
    if os.environ.get("UPDATE_SNAPSHOTS"):
        GRAPH.write_text(found)
    assert found == GRAPH.read_text(), "if the change is meant: UPDATE_SNAPSHOTS=1 pytest " + __file__


def test_every_asset_belongs_to_a_pipeline_and_has_an_owner(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    stages = {"snapshots", "features", "models", "predictions", "quarantine", "monitors"}
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert len(key.path) == 2
        assert key.path[0] in stages
        assert node.owners
        assert node.description
        assert node.group_name == node.tags["batch_platform/pipeline"]
        assert key.path[0] == node.tags["batch_platform/stage"]


def test_gate_and_deadline_do_not_block_and_every_other_check_does(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    lenient = {check.name for check in graph.asset_check_keys if not graph.get_check_spec(check).blocking}
    assert lenient == {"gate", "on_time"}


def test_steps_run_in_one_process_and_the_whole_location_is_loadable(definitions: dg.Definitions) -> None:
    assert definitions.executor is dg.in_process_executor
    dg.Definitions.validate_loadable(definitions)


def _modules_after(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after a statement."""
    before, after = (
        "import warnings; warnings.simplefilter('ignore')",
        "import json, sys; print(json.dumps([*sys.modules]))",
    )
    code = "\n".join([before, statement, after])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def _stage_functions() -> list[str]:
    """Every module that is callable without Dagster: all but the components and the doors to Dagster."""
    root = Path(__file__).parents[1] / "batch_platform"
    doors = {"cli", "definitions", "demo", "demo_screen", "sensors", "component"}
    files = [
        path.relative_to(root.parent)
        for folder in (".", "lake", "snapshots", "features", "models", "predictions", "engines", "telemetry")
        for path in sorted((root / folder).glob("*.py"))
        if path.stem not in doors
    ]
    return [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in files]


@pytest.mark.slow
def test_stage_functions_do_not_import_dagster() -> None:
    modules = _stage_functions()
    assert {"batch_platform", "batch_platform.lake.table", "batch_platform.engines.local"} <= {*modules}
    assert {"batch_platform.predictions.scorer", "batch_platform.snapshots.capture"} <= {*modules}
    loaded = _modules_after("\n".join(f"import {name}" for name in modules))
    assert "dagster" not in loaded


def test_importing_the_package_alone_loads_nothing_heavy() -> None:
    heavy = {"dagster", "torch", "mlflow", "sklearn", "duckdb", "polars", "pyarrow", "pandera", "deltalake"}
    assert not _modules_after("import batch_platform") & heavy


def test_loading_definitions_imports_neither_torch_nor_the_registry() -> None:
    loaded = _modules_after(
        "from batch_platform.definitions import defs\ndefs().resolve_asset_graph()\nimport batch_platform.cli"
    )
    assert "dagster" in loaded
    assert not loaded & {"torch", "mlflow", "sklearn", "matplotlib"}


def test_the_components_are_found_through_the_entry_point() -> None:
    from importlib.metadata import entry_points

    declared = {point.value for point in entry_points(group="dagster_dg_cli.registry_modules")}
    assert "batch_platform" in declared


def test_dg_lists_the_components_with_their_fields(tmp_path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("dg"), "list", "components", "--json"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "DG_CLI_CONFIG": str(tmp_path / "none.toml"), "DAGSTER_HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)["items"]
    ours = [item for item in listed if item["key"].startswith("batch_platform.")]
    assert sorted(item["key"] for item in ours) == [f"batch_platform.{name}" for name in COMPONENTS]
    assert all(item["summary"] for item in ours)
