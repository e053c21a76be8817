"""The optimiser's loop, reproducible to the byte, when it ends, and the slope that corrects a network's confidence.

Works on tensors and losses only; what the columns were is not known here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from batch_platform.models.network import TabularNetwork, with_gaps
from batch_platform.models.options import TabularOptions

_WARM_UP_EPOCHS = 0.3
_AVERAGED_EPOCHS = 1.0
_AVERAGED_SHARE = 1 / 3
_SLOPES = (0.25, 4.0)
_NEWTON_STEPS = 25
_RIDGE = 1e-3


@contextmanager
def deterministic(threads: int) -> Iterator[None]:
    """Let torch use only reproducible kernels on `threads` threads; its former options return at the end."""
    former_threads = torch.get_num_threads()
    former_mode = torch.are_deterministic_algorithms_enabled()
    former_warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(former_mode, warn_only=former_warn_only)
        torch.set_num_threads(former_threads)


def epochs(
    network: TabularNetwork, numeric: Tensor, codes: Tensor, labels: Tensor, options: TabularOptions, seed: int
) -> Iterator[TabularNetwork]:
    """Draw the weights of `network` and train them to minimise the log loss, without end: one epoch for each item.

    AdamW at a constant rate after a linear warm-up. What an epoch yields has an exponential moving average of the
    weights (Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992), which does what
    a decaying rate would do. So no step depends on how many follow: to stop after an epoch gives the bytes of a
    training that was never meant to last longer. Every row is seen once an epoch, but for a remainder smaller
    than one step.

    Args:
        network: of any weights; trained in place.
        numeric: standardised values, float32 (rows, numeric columns), NaN where missing.
        codes: levels, int64 (rows, categorical columns).
        labels: float32 (rows,), 0 or 1, both present.
        options: the optimiser's options.
        seed: of a generator of its own; the global random state is neither read nor changed.

    Yields:
        The averaged network, the same object every time: the next epoch changes it.
    """
    generator = torch.Generator().manual_seed(seed)
    network.initialise(generator, float(labels.double().mean()))
    averaged = deepcopy(network).requires_grad_(False).eval()
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    biases = [parameter for parameter in network.parameters() if parameter.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": weights, "weight_decay": options.weight_decay}, {"params": biases, "weight_decay": 0.0}],
        lr=options.learning_rate,
    )
    step_rows = options.step_rows(len(labels))
    steps_per_epoch = len(labels) // step_rows
    for step in count():
        position = step % steps_per_epoch
        if position == 0:
            order = torch.randperm(len(labels), generator=generator)
        rows = order[position * step_rows : (position + 1) * step_rows]
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * min(1.0, (step + 1) / (_WARM_UP_EPOCHS * steps_per_epoch))
        inputs = with_gaps(numeric[rows], codes[rows], options.gaps, generator)
        logits = network(*inputs, dropout=options.dropout, generator=generator)
        loss = binary_cross_entropy_with_logits(logits, labels[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        _average(averaged, network, step, steps_per_epoch)
        if position == steps_per_epoch - 1:
            yield averaged


def _average(averaged: TabularNetwork, network: TabularNetwork, step: int, steps_per_epoch: int) -> None:
    """Move the average towards the weights after step `step` (from 0).

    It reaches back over about an epoch, and over the newest third of the steps while there are few of them, so
    that the random weights of the start are soon forgotten.
    """
    reach = min(_AVERAGED_EPOCHS * steps_per_epoch, 1 + step * _AVERAGED_SHARE)
    with torch.no_grad():
        for mean, parameter in zip(averaged.parameters(), network.parameters(), strict=True):
            mean.lerp_(parameter, 1 / reach)


def best_epoch(losses: Iterable[float], patience: int) -> int:
    """The number, from 1, of the epoch with the lowest of the `losses`, which come one for each epoch.

    No loss is asked for once `patience` epochs in a row brought none that was lower: an iterator that trains as
    it goes stops there.
    """
    best, lowest = 1, math.inf
    for epoch, loss in enumerate(losses, start=1):
        if loss < lowest:
            best, lowest = epoch, loss
        elif epoch - best >= patience:
            break
    return best


def confidence_slope(logits: NDArray[np.float64], labels: NDArray[np.float32]) -> float:
    """The slope, 0.25 to 4, by which to scale logits so that they are as sure as later labels (rows,) justify.

    Platt scaling (1999) by Newton's method, with a slight pull towards leaving the logits as they are, so that
    few rows or a single class give a finite answer. The offset is fitted along and discarded: how the base
    rate of the validation window differs says little about the next one.
    """
    design = np.stack([logits, np.ones_like(logits)], axis=1)
    start = np.array([1.0, 0.0])
    parameters = start.copy()
    for _ in range(_NEWTON_STEPS):
        probability = 1 / (1 + np.exp(-np.clip(design @ parameters, -30, 30)))
        gradient = design.T @ (probability - labels) / len(labels) + _RIDGE * (parameters - start)
        curvature = design.T @ (design * (probability * (1 - probability))[:, None]) / len(labels)
        parameters = parameters - np.linalg.solve(curvature + _RIDGE * np.eye(2), gradient)
    return float(np.clip(parameters[0], *_SLOPES))
