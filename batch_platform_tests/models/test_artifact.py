"""A model's digest sees all of the model and nothing of its files; damaged files are refused; nothing is unpickled."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from batch_platform.errors import ConfigurationError, ModelError
from batch_platform.models.artifact import CONFIG, TENSORS, digest_of, load, resolve, save


@dataclass
class Parts:
    """A model that is nothing but its parts."""

    tensors: dict[str, Any]
    config: dict[str, Any] = field(default_factory=dict)
    features: tuple[str, ...] = ()

    def predict(self, batch: Any) -> Any:
        return np.zeros(batch.num_rows)

    @classmethod
    def from_parts(cls, tensors: dict[str, Any], config: dict[str, Any]) -> Parts:
        return cls(tensors, config)


def parts() -> Parts:
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    tensors = {"b": matrix, "a": np.array([1, 2], np.int64), "scalar": np.array(1.5)}
    return Parts(tensors, {"levels": [["x", None]], "width": 3})


def test_a_saved_model_comes_back_whole_with_its_digest(tmp_path: Path) -> None:
    model = parts()
    save(model, tmp_path / "new" / "folder")
    restored = load(tmp_path / "new" / "folder", digest_of(model))
    assert restored.config == model.config
    for name, tensor in model.tensors.items():
        assert restored.tensors[name].dtype == tensor.dtype
        assert restored.tensors[name].shape == tensor.shape
        assert restored.tensors[name].tobytes() == tensor.tobytes()


def test_the_digest_ignores_layout_and_order_of_tensors_and_of_files(tmp_path: Path) -> None:
    model = parts()
    turned = Parts({name: np.asarray(model.tensors[name], order="F") for name in reversed(model.tensors)})
    turned.config = dict(reversed(model.config.items()))
    assert digest_of(turned) == digest_of(model)
    save(model, tmp_path)
    save_file(dict(reversed(model.tensors.items())), tmp_path / TENSORS, metadata={"written": "otherwise"})
    (tmp_path / CONFIG).write_text(json.dumps(json.loads((tmp_path / CONFIG).read_text()), indent=7))
    assert digest_of(load(tmp_path, digest_of(model))) == digest_of(model)


@given(st.sampled_from(["a", "b", "scalar"]), st.integers(0, 10_000), st.integers(0, 7))
def test_the_digest_sees_every_bit_of_every_tensor(name: str, byte: int, bit: int) -> None:
    model, changed = parts(), parts()
    raw = bytearray(changed.tensors[name].tobytes())
    raw[byte % len(raw)] ^= 1 << bit
    old = changed.tensors[name]
    changed.tensors[name] = np.frombuffer(bytes(raw), old.dtype).reshape(old.shape)
    assert digest_of(changed) != digest_of(model)


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.config.update(width=4),
        lambda model: model.config.update(more=None),
        lambda model: model.config["levels"][0].reverse(),
        lambda model: model.tensors.update(c=model.tensors.pop("a")),
        lambda model: model.tensors.update(b=model.tensors["b"].reshape(3, 2)),
        lambda model: model.tensors.update(a=model.tensors["a"].view(np.uint64)),
        lambda model: model.tensors.pop("a"),
    ],
)
def test_the_digest_sees_every_value_name_shape_and_type(change: Callable[[Parts], object]) -> None:
    model = parts()
    change(model)
    assert digest_of(model) != digest_of(parts())


def test_the_digest_sees_the_class_of_the_model() -> None:
    class Other(Parts):
        pass

    assert digest_of(Other(parts().tensors, parts().config)) != digest_of(parts())


def _flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / TENSORS).unlink(),
        lambda folder: (folder / CONFIG).unlink(),
        lambda folder: (folder / TENSORS).write_bytes((folder / TENSORS).read_bytes()[:-3]),
        lambda folder: (folder / TENSORS).write_bytes(b""),
        lambda folder: _flip(folder / TENSORS),
        lambda folder: (folder / CONFIG).write_text((folder / CONFIG).read_text().replace("3", "4")),
        lambda folder: (folder / CONFIG).write_text((folder / CONFIG).read_text()[:-5]),
        lambda folder: (folder / CONFIG).write_text("[1]"),
        lambda folder: (folder / CONFIG).write_text("{}"),
        lambda folder: (folder / CONFIG).write_text('{"runtime": 7}'),
        lambda folder: (folder / CONFIG).write_text('{"runtime": "os:system"}'),
        lambda folder: (folder / CONFIG).write_text('{"runtime": "no.such.module:Model"}'),
        lambda folder: (folder / CONFIG).write_bytes(b"\xff\xfe"),
    ],
)
def test_a_damaged_or_changed_artifact_is_refused(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    save(parts(), tmp_path)
    damage(tmp_path)
    with pytest.raises(ModelError) as caught:
        load(tmp_path, digest_of(parts()))
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


class Bomb:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("name", [TENSORS, CONFIG])
def test_a_pickle_in_place_of_a_file_is_refused_and_never_run(tmp_path: Path, name: str) -> None:
    save(parts(), tmp_path)
    (tmp_path / name).write_bytes(pickle.dumps(Bomb(tmp_path / "trace")))
    with pytest.raises(ModelError):
        load(tmp_path, None)
    assert not (tmp_path / "trace").exists()


def test_nothing_that_changed_files_name_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "intruder.py").write_text(f"open({str(tmp_path / 'trace')!r}, 'w').close()")
    monkeypatch.syspath_prepend(tmp_path)
    save(parts(), tmp_path)
    config = json.loads((tmp_path / CONFIG).read_text()) | {"runtime": "intruder:Model"}
    (tmp_path / CONFIG).write_text(json.dumps(config))
    with pytest.raises(ModelError, match="changed after registration"):
        load(tmp_path, digest_of(parts()))
    assert not (tmp_path / "trace").exists()


class Fragile(Parts):
    """Cannot be restored."""

    @classmethod
    def from_parts(cls, tensors: dict[str, Any], config: dict[str, Any]) -> Parts:
        raise ZeroDivisionError("no\nparts")


def test_a_class_that_fails_to_restore_is_one_line(tmp_path: Path) -> None:
    model = Fragile(parts().tensors)
    save(model, tmp_path)
    with pytest.raises(ModelError, match="cannot be read: no") as caught:
        load(tmp_path, digest_of(model))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tensor", [np.array([None, "x"], object), np.array(["words"])])
def test_tensors_that_no_file_holds_are_one_line(tmp_path: Path, tensor: Any) -> None:
    with pytest.raises(ModelError, match="cannot be written") as caught:
        save(Parts({"a": tensor}), tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / TENSORS).mkdir()
    with pytest.raises(ModelError, match="cannot be written"):
        save(parts(), tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="cannot be written"):
        save(parts(), tmp_path / "file" / "folder")


def test_a_config_beyond_json_is_one_line() -> None:
    with pytest.raises(ModelError, match="JSON"):
        digest_of(Parts({}, {"when": object()}))


@pytest.mark.parametrize("reference", ["", "os", "os:", "os:nothing", "no_such_module:x", ":x"])
def test_references_to_nothing_are_refused(reference: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be imported"):
        resolve(reference)
