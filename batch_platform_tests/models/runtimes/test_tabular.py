"""The folded form scores as the trained network does, each row for itself, and without torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError, ModelError
from batch_platform.models import artifact
from batch_platform.models.runtimes.tabular import TILE_ROWS, FoldedTabular
from batch_platform.models.tabular import TabularModel
from batch_platform_tests.models.networks import FEATURES, batch_of, rows_like, untrained

TOLERANCE = 1e-5
ROWS = 3 * TILE_ROWS + 17
MODEL = untrained(rows_like(4000))
BATCH = batch_of(rows_like(ROWS, seed=1))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    former = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(former)


def folded(model: TabularModel = MODEL, batch_rows: int = 2 * TILE_ROWS) -> FoldedTabular:
    runtime = model.runtime(batch_rows, "cpu")
    assert isinstance(runtime, FoldedTabular)
    return runtime


RUNTIME = folded()
SCORES = RUNTIME.score(BATCH)


@pytest.mark.parametrize("hidden", [(256, 64), (7,), (33, 8, 5)])
@pytest.mark.parametrize("features", [FEATURES, ("angle", "seen"), ("color", "is_open"), ("gap",)])
def test_scores_and_decisions_are_those_of_the_network_as_it_was_trained(
    hidden: tuple[int, ...], features: tuple[str, ...]
) -> None:
    model = untrained(rows_like(4000), features, hidden)
    eager, scores = model.predict(BATCH), folded(model).score(BATCH)
    assert scores.dtype == np.float32
    assert np.ptp(eager) > 0
    np.testing.assert_allclose(scores, eager, rtol=0, atol=TOLERANCE)
    for threshold in np.quantile(eager, [0.1, 0.5, 0.9]):
        near = np.abs(eager - threshold) <= TOLERANCE
        assert np.array_equal((eager >= threshold)[~near], (scores >= threshold)[~near])


@pytest.mark.parametrize("values", [pa.float32(), pa.float64(), pa.int64(), pa.decimal128(30, 2)])
@pytest.mark.parametrize("start", [0, 2000, 1_700_000_000, 4_000_000_000_000])
def test_numbers_far_from_zero_keep_the_precision_of_the_trained_network(start: int, values: pa.DataType) -> None:
    random = np.random.default_rng(4)
    near = pa.array(start + random.integers(0, 400, 3000))
    table = pa.table({"moment": near.cast(values, safe=False), "noise": random.normal(size=3000)})
    model = untrained(table, ("moment", "noise"))
    np.testing.assert_allclose(folded(model).score(batch_of(table)), model.predict(table), rtol=0, atol=TOLERANCE)


any_number = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True, width=64))


@settings(deadline=None, max_examples=60)
@given(st.lists(any_number, min_size=1, max_size=40), st.lists(any_number, min_size=1, max_size=40))
def test_any_numbers_score_as_the_network_scores_them(training: list[float | None], later: list[float | None]) -> None:
    first = pa.table({"x": pa.array([1.0, 2.0, *training], pa.float64())})
    second = pa.table({"x": pa.array(later, pa.float64())})
    model = untrained(first, ("x",))
    np.testing.assert_allclose(folded(model).score(batch_of(second)), model.predict(second), rtol=0, atol=TOLERANCE)


def test_narrow_bins_round_as_in_training() -> None:
    random = np.random.default_rng(5)
    values = np.where(random.random(3000) < 0.9, 5 + random.random(3000) * 2e-3, 40.0)
    table = pa.table({"x": values, "y": random.normal(size=3000)})
    model = untrained(table, ("x", "y"))
    assert model.numeric.bin_scale.max() > 1e4
    np.testing.assert_allclose(folded(model).score(batch_of(table)), model.predict(table), rtol=0, atol=TOLERANCE)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_row_scores_the_same_bits_in_any_company_number_and_place(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1))
    size = data.draw(st.sampled_from([1, 2, 15, 63, TILE_ROWS - 1, TILE_ROWS, TILE_ROWS + 1, 2 * TILE_ROWS + 3, ROWS]))
    chosen = np.random.default_rng(seed).integers(0, ROWS, size)
    assert np.array_equal(RUNTIME.score(BATCH.take(pa.array(chosen))), SCORES[chosen])
    start = data.draw(st.integers(0, ROWS))
    rows = data.draw(st.integers(0, ROWS - start))
    assert np.array_equal(RUNTIME.score(BATCH.slice(start, rows)), SCORES[start : start + rows])


@pytest.mark.parametrize("batch_rows", [1, 1000, TILE_ROWS, 4096, 10_000])
def test_the_batch_size_does_not_show_in_the_bits(batch_rows: int) -> None:
    assert np.array_equal(folded(batch_rows=batch_rows).score(BATCH), SCORES)


def test_what_was_scored_before_does_not_show_and_what_was_returned_stays() -> None:
    extremes = pa.table(
        {
            name: pa.array([np.inf, -np.inf, np.nan, 1e308, None] * 300) if name in MODEL.numeric.names else column
            for name, column in zip(BATCH.schema.names, BATCH.slice(0, 1500).columns, strict=True)
        }
    )
    runtime = folded()
    first = runtime.score(batch_of(extremes))
    kept = first.copy()
    assert np.isfinite(first).all()
    for rows in (ROWS, 3, 700):
        assert np.array_equal(runtime.score(BATCH.slice(0, rows)), SCORES[:rows])
    assert np.array_equal(first, kept)
    np.testing.assert_allclose(first, MODEL.predict(extremes), rtol=0, atol=TOLERANCE)


def test_threads_that_share_a_model_score_as_one_does() -> None:
    runtime = folded()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda start: runtime.score(BATCH.slice(start)), [7 * number for number in range(40)]))
    for number, scores in enumerate(results):
        assert np.array_equal(scores, SCORES[7 * number :])


def test_texts_score_alike_however_arrow_holds_them() -> None:
    place = BATCH.schema.get_field_index("airport")
    texts = BATCH.column(place).cast(pa.string())
    for other in (texts, texts.cast(pa.large_string()), texts.cast(pa.string_view()), texts.dictionary_encode()):
        assert np.array_equal(RUNTIME.score(BATCH.set_column(place, "airport", other)), SCORES)


def test_numpys_settings_are_as_before() -> None:
    before = np.geterr(), np.getbufsize()
    RUNTIME.score(BATCH)
    assert (np.geterr(), np.getbufsize()) == before


def test_no_rows_give_no_scores() -> None:
    scores = RUNTIME.score(BATCH.slice(0, 0))
    assert (scores.shape, scores.dtype) == ((0,), np.float32)


def test_missing_and_wrong_columns_are_refused() -> None:
    for name, wrong in (("angle", "text"), ("constant", "text"), ("color", 1.0)):
        place = BATCH.schema.get_field_index(name)
        with pytest.raises(ModelError, match=name):
            RUNTIME.score(BATCH.drop_columns([name]))
        with pytest.raises(ModelError, match=name):
            RUNTIME.score(BATCH.set_column(place, name, pa.array([wrong] * ROWS)))


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="abacus"):
        MODEL.runtime(4096, "abacus")


_SCORING = """
import sys
from pathlib import Path
import numpy as np, pyarrow.ipc
from batch_platform.models import artifact
folder = Path(sys.argv[1])
batch = pyarrow.ipc.open_file(folder / "rows.arrow").get_batch(0)
np.save(folder / "scores.npy", artifact.load(folder, sys.argv[2]).runtime(4096, "cpu").score(batch))
heavy = {"torch", "mlflow", "sklearn", "scipy", "dagster"} & set(sys.modules)
assert not heavy, heavy
"""


def test_an_artifact_is_loaded_and_scored_without_importing_torch(tmp_path: Path) -> None:
    artifact.save(MODEL, tmp_path)
    with pa.OSFile(str(tmp_path / "rows.arrow"), "wb") as sink, pa.ipc.new_file(sink, BATCH.schema) as writer:
        writer.write_batch(BATCH)
    arguments = [sys.executable, "-c", _SCORING, str(tmp_path), artifact.digest_of(MODEL)]
    subprocess.run(arguments, check=True, timeout=120)
    assert np.array_equal(np.load(tmp_path / "scores.npy"), SCORES)
