"""Property files: their entries are found by name with their lines; what they cannot mean is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.sql.properties import Properties, load_properties
from batch_platform.sql.refusals import PROPERTIES_IGNORED, PROPERTY_LISTS
from batch_platform.sql.settings import MODEL_SETTINGS
from batch_platform_tests.sql.projects import write


def properties_of(root: Path, **files: str) -> Properties:
    write(root, **files)
    return load_properties([root])


def refusal(root: Path, **files: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        properties_of(root, **files)
    return str(caught.value).replace(f"{root}/", "")


def test_entries_are_found_in_all_files(tmp_path: Path) -> None:
    found = properties_of(
        tmp_path,
        a_yml="version: 2\nmodels:\n  - name: one\n    columns: [{name: id}]\nseeds: [{name: codes}]\n",
        x__b_yaml="sources:\n  - name: raw\n    tables:\n      - {name: Orders, identifier: orders}\n      - name: b\n",
        x__c_yml="data_tests: [{name: t}]\nexposures: [{name: e}]\n",
    )
    assert list(found.models) == ["one"] and list(found.seeds) == ["codes"] and list(found.tests) == ["t"]
    assert {name: entry.table for name, entry in found.sources.items()} == {
        "raw.Orders": "snapshots/orders",
        "raw.b": "snapshots/b",
    }
    assert found.models["one"].where == f"{tmp_path}/a.yml:3"


def test_settings_stand_in_config_and_beside_it(tmp_path: Path) -> None:
    text = (
        "models:\n  - name: one\n    meta: {a: 1}\n    tags: x\n    config:\n      tags: [y]\n      +unique_key: id\n"
    )
    settings = properties_of(tmp_path, a_yml=text).models["one"].settings(MODEL_SETTINGS)
    assert {name: setting.value for name, setting in settings.items()} == {
        "meta": {"a": 1},
        "tags": ["x", "y"],
        "key": "id",
    }
    assert settings["key"].where == f"{tmp_path}/a.yml:7"


@pytest.mark.parametrize("kind", sorted(PROPERTY_LISTS))
def test_lists_of_dbt_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    expected = f"a.yml:2: {kind} {PROPERTY_LISTS[kind].what} ({PROPERTY_LISTS[kind].fix})"
    assert refusal(tmp_path, a_yml=f"version: 2\n{kind}: [{{name: x}}]\n") == expected


@pytest.mark.parametrize("kind", sorted(PROPERTIES_IGNORED - {"version"}))
def test_lists_that_only_document_are_fine(tmp_path: Path, kind: str) -> None:
    assert properties_of(tmp_path, a_yml=f"{kind}: [{{name: x}}]\n") == Properties()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a.yml:1: the file declares nothing"),
        ("- x", "a.yml:1: the file must be a mapping"),
        ("version: 1", "a.yml:1: version must be 2"),
        ("model: []", "a.yml:1: the file has no key model"),
        ("models: {}", "a.yml:1: models must be a list"),
        ("models:\n  - x", "a.yml:2: an entry of models must be a mapping"),
        ("models:\n  - description: x", "a.yml:2: an entry of models needs name"),
        ("models:\n  - name: 1", "a.yml:2: name must be text"),
        ("models:\n  - name: a\n  - name: a", "a.yml:3: model a is declared twice, first in a.yml:2"),
        ("models:\n  - name: a\n    versions: [{v: 1}]", "a.yml:3: models have no versions here"),
        ("sources:\n  - name: a\n    tables: [{name: B}]", "a.yml:3: 'B' is not a table name"),
        ("sources:\n  - name: a\n    tables: [{name: b, identifier: '../c'}]", "a.yml:3: '../c' is not a table name"),
        ("sources:\n  - name: a\n    tables: [{name: b}, {name: b}]", "a.yml:3: source a.b is declared twice"),
        ("sources:\n  - name: a\n    config: {enabled: false}\n    tables: [{name: b}]", "a.yml:3: a source cannot be"),
        ("models:\n  - name: a\n    name: b", "a.yml:3: name is given twice"),
    ],
)
def test_a_file_that_is_wrong_is_refused_at_its_line(tmp_path: Path, text: str, said: str) -> None:
    assert refusal(tmp_path, a_yml=text).startswith(said)
