"""Training ends after the best epoch, an epoch does not depend on those that follow, and slopes find overconfidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.models.encoding import CategoricalEncoding, NumericEncoding
from batch_platform.models.fitting import best_epoch, confidence_slope, epochs
from batch_platform.models.network import TabularNetwork
from batch_platform.models.options import TabularOptions


@pytest.mark.parametrize(
    ("losses", "patience", "best", "asked"),
    [
        ([0.5, 0.4, 0.41, 0.42, 0.1], 2, 2, 4),
        ([0.5, 0.4, 0.41, 0.42, 0.1], 3, 5, 5),
        ([0.5, 0.6, 0.4], 1, 1, 2),
        ([0.5, 0.4, 0.41, 0.39, 0.4, 0.4, 0.1], 2, 4, 6),
        ([0.5, 0.4, 0.3], 1, 3, 3),
        ([0.5, 0.5, 0.5], 2, 1, 3),
        ([float("nan"), float("nan"), 0.1], 1, 1, 2),
    ],
)
def test_patience_counts_epochs_since_the_best(losses: list[float], patience: int, best: int, asked: int) -> None:
    remaining = iter(losses)
    assert best_epoch(remaining, patience) == best
    assert len(losses) - len(list(remaining)) == asked


@given(st.lists(st.floats(0, 10), min_size=1, max_size=20), st.integers(1, 20))
def test_the_best_epoch_has_the_lowest_loss_of_those_asked_for(losses: list[float], patience: int) -> None:
    remaining = iter(losses)
    best = best_epoch(remaining, patience)
    asked = losses[: len(losses) - len(list(remaining))]
    assert losses[best - 1] == min(asked)
    assert len(asked) == len(losses) or len(asked) == best + patience


def _started(rows: int = 640) -> Iterator[tuple[int, TabularNetwork]]:
    """The epochs of a training on one number whose sign is the label."""
    x = np.random.default_rng(0).normal(size=rows)
    table = pa.table({"x": x})
    numeric, categorical = NumericEncoding.fit(table, ["x"], bins=4), CategoricalEncoding((), ())
    network = TabularNetwork(numeric, categorical, hidden=(8,), embedding=1)
    codes = torch.zeros((rows, 0), dtype=torch.int64)
    labels = torch.from_numpy((x > 0).astype(np.float32))
    values = torch.from_numpy(numeric.standardise(table))
    return enumerate(epochs(network, values, codes, labels, TabularOptions(hidden=(8,), learning_rate=0.02), seed=5), 1)


def _bytes(network: TabularNetwork) -> Sequence[bytes]:
    return [tensor.numpy().tobytes() for tensor in network.state_dict().values()]


def test_an_epoch_does_not_depend_on_how_many_follow_and_each_differs() -> None:
    longer = [_bytes(network) for _, network in islice(_started(), 4)]
    for length in (1, 2, 4):
        *_, (number, network) = islice(_started(), length)
        assert number == length
        assert _bytes(network) == longer[length - 1]
    assert longer[0] != longer[1] != longer[2] != longer[3]


def test_averaged_weights_learn_and_take_no_part_in_autograd() -> None:
    *_, (_, network) = islice(_started(), 8)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    scores = network.probability(torch.tensor([[-1.0], [1.0]]), torch.zeros((2, 0), dtype=torch.int64))
    assert scores[0] < 0.2
    assert scores[1] > 0.8


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
def test_the_confidence_slope_is_that_of_the_labels(slope: float) -> None:
    random = np.random.default_rng(1)
    logits = random.normal(size=50_000)
    labels = (random.random(50_000) < 1 / (1 + np.exp(-slope * logits - 0.3))).astype(np.float32)
    assert confidence_slope(logits, labels) == pytest.approx(slope, rel=0.1)


def test_the_confidence_slope_stays_finite_for_one_class_and_for_useless_logits() -> None:
    logits = np.random.default_rng(1).normal(size=500)
    assert 0.25 <= confidence_slope(logits, np.ones(500, np.float32)) <= 4
    assert 0.25 <= confidence_slope(np.zeros(500), np.ones(500, np.float32)) <= 4
    perfect = (logits > 0).astype(np.float32)
    assert confidence_slope(logits, perfect) == 4
