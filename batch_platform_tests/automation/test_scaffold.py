"""The scaffolder that Dagster's command calls: our errors are the command's, and no empty folder stays."""

from __future__ import annotations

from pathlib import Path

import click
import dagster as dg
import pytest
from dagster.components.scaffold.scaffold import get_scaffolder

from batch_platform.automation.scaffold import scaffolder
from batch_platform.scaffold.input_snapshot import Params
from batch_platform.settings import PROJECT


def request(root: Path, params: Params, form: str = "yaml") -> dg.ScaffoldRequest[Params]:
    folder = root / "package" / "defs" / "sales" / "orders"
    folder.mkdir(parents=True)
    return dg.ScaffoldRequest("batch_platform.InputSnapshot", folder, form, root, params)  # type: ignore[arg-type]


def test_the_component_is_known_to_dagster_with_the_options_of_its_module() -> None:
    from batch_platform.snapshots.component import InputSnapshot

    found = get_scaffolder(InputSnapshot)
    assert isinstance(found, dg.Scaffolder) and found.get_scaffold_params() is Params
    properties = Params.model_json_schema()["properties"]
    assert [name for name, field in properties.items() if not field.get("description")] == []


def test_what_was_written_is_told_and_the_commands_folder_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(PROJECT, str(tmp_path))
    wanted = request(tmp_path, Params(cadence="daily", start="2025-01-05"))
    scaffolder("batch_platform.scaffold.input_snapshot")().scaffold(wanted)
    pipeline = wanted.target_path.parent
    assert capsys.readouterr().out == f"Added InputSnapshot to {pipeline / 'defs.yaml'}.\n"
    assert [path.name for path in pipeline.iterdir()] == ["defs.yaml"]


@pytest.mark.parametrize(
    ("params", "form", "said"),
    [(Params(cadence="daily"), "yaml", "--cadence without --start"), (Params(), "python", "written in YAML")],
)
def test_a_mistake_is_the_commands_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, params: Params, form: str, said: str
) -> None:
    monkeypatch.setenv(PROJECT, str(tmp_path))
    wanted = request(tmp_path, params, form)
    with pytest.raises(click.ClickException, match=said):
        scaffolder("batch_platform.scaffold.input_snapshot")().scaffold(wanted)
    assert list((tmp_path / "package" / "defs").iterdir()) == []
