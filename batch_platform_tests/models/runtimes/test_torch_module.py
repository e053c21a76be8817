"""Any torch module is stored without pickle, restored exactly and scored with bits that do not depend on the batch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from batch_platform.errors import ConfigurationError, ModelError, is_transient
from batch_platform.models import artifact
from batch_platform.models.runtimes.device import found_device
from batch_platform.models.runtimes.fit import refuse_unfit
from batch_platform.models.runtimes.loading import ModelSource, load_runtime
from batch_platform.models.runtimes.scores import ScoreField, conform
from batch_platform.models.runtimes.tensor_inputs import TensorInput
from batch_platform.models.runtimes.torch_module import TorchModel
from batch_platform_tests.models.runtimes.networks import ByName, Hungry, TextLength, TwoHeads

COLUMNS = ("distance", "delay", "hour")
NUMBERS = (TensorInput(COLUMNS),)


def network(kind: type[TwoHeads] = TwoHeads) -> TwoHeads:
    torch.manual_seed(7)
    made = kind(len(COLUMNS), 16)
    made(torch.randn(50, len(COLUMNS)))  # the statistics of its normalisation
    return made.eval()


def model(kind: type[TwoHeads] = TwoHeads, outputs: tuple[str, ...] = ("late", "embedding")) -> TorchModel:
    return TorchModel.of(network(kind), {"width": len(COLUMNS), "embedding": 16}, NUMBERS, outputs)


def rows(count: int) -> pa.RecordBatch:
    values = np.random.default_rng(0).normal(size=(count, len(COLUMNS)))
    return pa.RecordBatch.from_pydict({name: values[:, place] for place, name in enumerate(COLUMNS)})


def bits(raw: Any) -> list[bytes]:
    return [b"".join(part.tobytes() for part in row) for row in zip(*raw.values(), strict=True)]


def eager(batch: pa.RecordBatch) -> dict[str, Any]:
    numbers = torch.tensor(np.column_stack([column.to_numpy() for column in batch.columns]).astype(np.float32))
    with torch.inference_mode():
        score, embedding = network()(numbers)
    return {"late": score.numpy(), "embedding": embedding.numpy()}


def test_it_is_stored_as_tensors_and_json_and_scores_as_the_module_does(tmp_path: Path) -> None:
    artifact.save(model(), tmp_path)
    source = ModelSource("late", "1", artifact.digest_of(model()), tmp_path)
    found = load_runtime(source, 64, "cpu").score(rows(64))
    assert bits(found) == bits(eager(rows(64)))
    assert {path.name for path in tmp_path.iterdir()} == {"model.safetensors", "model.json"}
    fields = [ScoreField.parse("late", "probability"), ScoreField.parse("embedding", "float[16]")]
    columns = conform(found, fields, 64)
    assert len(columns["embedding"].to_pylist()[0]) == 16
    assert all(0 < score < 1 for score in columns["late"].to_pylist())


def test_bits_do_not_depend_on_how_many_rows_come_together() -> None:
    runtime = model().runtime(64, "cpu")
    whole = bits(runtime.score(rows(150)))
    for cut in (1, 7, 63, 64, 65):
        assert [
            part for start in range(0, 150, cut) for part in bits(runtime.score(rows(150).slice(start, cut)))
        ] == whole


def test_a_module_may_name_its_outputs_itself() -> None:
    by_name, by_place = model(ByName, ()).runtime(64, "cpu"), model().runtime(64, "cpu")
    assert bits(by_name.score(rows(9))) == bits(by_place.score(rows(9)))
    assert list(model(ByName, ("embedding",)).runtime(64, "cpu").score(rows(9))) == ["embedding"]


def test_outputs_that_are_not_as_many_as_their_names_are_refused() -> None:
    with pytest.raises(ModelError, match="gives 2 tensors, 1 outputs are named"):
        model(TwoHeads, ("late",)).runtime(64, "cpu").score(rows(3))


def test_vectors_and_texts_are_inputs_too() -> None:
    inputs = (TensorInput(("embedding",), "float64"), TensorInput(("name",), "text"))
    runtime = TorchModel.of(TextLength(), {}, inputs).runtime(8, "cpu")
    batch = pa.RecordBatch.from_pydict(
        {"name": ["a", None, "abc"], "embedding": pa.array([[0.5, 1], [2, 3], [4, 5]], pa.list_(pa.float32()))}
    )
    assert runtime.score(batch).tolist() == [2.5, 5, 12]
    assert runtime.score(batch.slice(2)).tolist() == [12]
    short = batch.set_column(1, "embedding", pa.array([[1.0], [1.0, 2.0], None]))
    with pytest.raises(ValueError, match="missing or of lengths"):
        runtime.score(short)


def test_a_missing_number_is_nan_for_floats_and_an_error_for_integers() -> None:
    batch = pa.RecordBatch.from_pydict({"n": pa.array([1, None])})
    assert np.isnan(TensorInput(("n",)).tensor(batch).numpy()).tolist() == [[False], [True]]  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="n is missing in 1 rows"):
        TensorInput(("n",), "int64").tensor(batch)


def test_columns_that_are_missing_or_do_not_fit_are_named() -> None:
    runtime = model().runtime(64, "cpu")
    refuse_unfit(runtime, rows(1).schema)
    with pytest.raises(ModelError, match="the model reads hour, which the features lack"):
        refuse_unfit(runtime, rows(1).select(["distance", "delay"]).schema)
    schema = pa.schema([pa.field(name, pa.string() if name == "hour" else pa.float64()) for name in COLUMNS])
    with pytest.raises(ModelError, match="feature hour: the model wants float32, the column has the type string"):
        refuse_unfit(runtime, schema)


def test_a_batch_that_does_not_fit_on_the_device_is_refused_and_not_cut() -> None:
    """Kernels round differently at other sizes: the size of a batch is what is configured, or nothing."""
    fitting = TorchModel.of(Hungry(20), {"rows": 20}, NUMBERS)
    batch = rows(100)
    expected = np.column_stack([column.to_numpy() for column in batch.columns]).sum(axis=1)
    np.testing.assert_allclose(fitting.runtime(20, "cpu").score(batch), expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ModelError, match=r"batch of 64 rows does not fit .* \(lower scoring.batch_rows") as caught:
        fitting.runtime(64, "cpu").score(batch)
    assert not is_transient(caught.value)


def test_nothing_but_a_class_of_torch_modules_is_called() -> None:
    for reference in ("batch_platform_tests.models.runtimes.networks:not_a_module", "os:system", "builtins:dict"):
        with pytest.raises(ModelError, match="is no class of torch modules"):
            replace(model(), module=reference).runtime(64, "cpu")


@pytest.mark.parametrize(
    "change", [{"arguments": {"width": 4, "embedding": 16}}, {"tensors": {}}, {"module": "no.such:Net"}]
)
def test_parts_that_do_not_fit_each_other_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"cannot be (restored|imported)"):
        replace(model(), **change).runtime(64, "cpu")


def test_a_changed_file_is_refused_before_its_module_is_imported(tmp_path: Path) -> None:
    artifact.save(model(), tmp_path)
    config = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**config, "module": "antigravity:x", "runtime": "antigravity:y"}))
    with pytest.raises(ModelError, match="the artifact's digest is"):
        load_runtime(ModelSource("late", "1", artifact.digest_of(model()), tmp_path), 64, "cpu")


def test_the_configured_device_must_be_there() -> None:
    assert found_device("cpu") == "cpu"
    assert found_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    for unknown in ("tpu", "cuda:", "cuda:x", "CPU", "cpu\n"):
        with pytest.raises(ConfigurationError, match="there is no device"):
            found_device(unknown)
    with pytest.raises(ConfigurationError, match="device cuda:99 is configured, but torch finds"):
        found_device("cuda:99")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigurationError, match="torch finds none here"):
            model().runtime(64, "cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no cuda device")
def test_cuda_gives_the_same_scores_within_tolerance() -> None:
    on_cuda, on_cpu = (model().runtime(64, device).score(rows(150)) for device in ("cuda", "cpu"))
    for name, expected in on_cpu.items():
        np.testing.assert_allclose(on_cuda[name], expected, atol=1e-5)
