"""Documents are added and files written; nothing that was there is changed or lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError
from batch_platform.scaffold.place import Place, attributes, declared, scalar, write


@pytest.mark.parametrize("path", ["sales", "sales/orders"])
def test_a_component_goes_into_its_pipelines_file(tmp_path: Path, path: str) -> None:
    place = Place.of(tmp_path / "pkg" / "defs" / path, tmp_path)
    assert place.pipeline == "sales" and place.name == path.split("/")[-1]
    assert place.documents == tmp_path / "pkg/defs/sales/defs.yaml"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("pkg/defs", "no place"),
        ("pkg/defs/a/b/c", "no place"),
        ("pkg/defs/../../../etc", "not below"),
        ("pkg/elsewhere/a", "not below"),
        ("pkg/defs/Sales", "'Sales' is no name"),
        ("pkg/defs/sales/1st", "'1st' is no name"),
        ("pkg/defs/a b", "'a b' is no name"),
    ],
)
def test_other_places_are_refused(tmp_path: Path, path: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Place.of(tmp_path / path, tmp_path)


@pytest.mark.parametrize("before", ["", "# mine\ntype: a.B  # x\nattributes: {name: one}", "a: 1\n---\nb: 2\n\n\n"])
def test_documents_are_added_after_those_that_are_there(tmp_path: Path, before: str) -> None:
    place = Place.of(tmp_path / "defs" / "sales" / "orders", tmp_path)
    if before:
        place.documents.parent.mkdir(parents=True)
        place.documents.write_text(before)
    write(place, "InputSnapshot", "  name: orders\n", {tmp_path / "x.sql": "SELECT 1\n"})
    text = place.documents.read_text()
    assert text.startswith(before.rstrip("\n"))
    *old, new = yaml.safe_load_all(text)
    assert len(old) == len(list(yaml.safe_load_all(before))) if before else not old
    assert new == {"type": "batch_platform.InputSnapshot", "attributes": {"name": "orders"}}
    assert attributes(place, "InputSnapshot") == {"orders": {"name": "orders"}}
    assert (tmp_path / "x.sql").read_text() == "SELECT 1\n"
    assert sorted(path.name for path in place.documents.parent.iterdir()) == ["defs.yaml"]


def test_a_file_that_exists_is_left_alone_and_nothing_is_written(tmp_path: Path) -> None:
    place = Place.of(tmp_path / "defs" / "sales", tmp_path)
    (tmp_path / "b.sql").write_text("mine")
    with pytest.raises(ConfigurationError, match="exists already"):
        write(place, "FeatureTables", "  models: x\n", {tmp_path / "a.sql": "", tmp_path / "b.sql": ""})
    assert (tmp_path / "b.sql").read_text() == "mine"
    assert not (tmp_path / "a.sql").exists() and not place.documents.exists()


def test_files_are_taken_back_where_the_document_cannot_be_written(tmp_path: Path) -> None:
    place = Place.of(tmp_path / "defs" / "sales", tmp_path)
    (tmp_path / "defs").mkdir()
    (tmp_path / "defs" / "sales").write_text("a file in the way")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write(place, "FeatureTables", "  models: x\n", {tmp_path / "a.sql": ""})
    assert not (tmp_path / "a.sql").exists()


@pytest.mark.parametrize("content", [b"a: [", b"\xff"])
def test_a_file_that_is_no_yaml_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "defs.yaml").write_bytes(content)
    with pytest.raises(ConfigurationError, match="cannot be read") as raised:
        declared(tmp_path / "defs.yaml")
    assert "\n" not in str(raised.value)


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_comes_back_from_yaml(text: str) -> None:
    assert yaml.safe_load(f"a: {{x: {scalar(text)}}}") == {"a": {"x": text}}
    assert yaml.safe_load(f"a:\n  {scalar(text)}: 1") == {"a": {text: 1}}


@pytest.mark.parametrize("text", ["yes", "null", "1", "on", "~", "a: b", "x #y", "{a}", "1e3", "2025-01-05"])
def test_words_that_yaml_reads_otherwise_are_quoted(text: str) -> None:
    assert yaml.safe_load(f"a: {scalar(text)}") == {"a": text}
