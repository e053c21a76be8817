"""The network in torch scores each row for itself, whatever the batch it is padded to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from batch_platform.models.runtimes.tabular_torch import TorchTabular
from batch_platform_tests.models.networks import batch_of, rows_like, untrained

MODEL = untrained(rows_like(2000))
BATCH = batch_of(rows_like(2500, seed=1))
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    former = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(former)


@pytest.mark.parametrize("device", DEVICES)
def test_a_row_scores_the_same_bits_in_any_company_number_and_place(device: str) -> None:
    runtime = TorchTabular(MODEL, 1024, device)
    scores = runtime.score(BATCH)
    assert scores.dtype == np.float32
    random = np.random.default_rng(2)
    for size in (0, 1, 63, 1024, 1025, 2500):
        chosen = random.permutation(BATCH.num_rows)[:size]
        assert np.array_equal(runtime.score(BATCH.take(chosen)), scores[chosen]), size
    for start in (1, 5, 1023, 2499):
        assert np.array_equal(runtime.score(BATCH.slice(start)), scores[start:]), start


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("batch_rows", [1, 100, 16_384])
def test_every_batch_size_and_device_scores_as_the_model_does(batch_rows: int, device: str) -> None:
    scores = TorchTabular(MODEL, batch_rows, device).score(BATCH)
    np.testing.assert_allclose(scores, MODEL.predict(BATCH), rtol=0, atol=1e-5)


def test_a_gpu_scores_by_torch() -> None:
    if torch.cuda.is_available():
        assert isinstance(MODEL.runtime(4096, "cuda"), TorchTabular)
        assert isinstance(MODEL.runtime(4096, "auto"), TorchTabular)
    else:
        assert not isinstance(MODEL.runtime(4096, "auto"), TorchTabular)
