"""The optimiser's loop, reproducible to the byte, and the slope that corrects a network's confidence.

Works on tensors only; what the columns were is not known here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from batch_platform.models.network import TabularNetwork, with_gaps
from batch_platform.models.settings import Settings

_WARM_UP = 0.1
_SLOPES = (0.25, 4.0)
_NEWTON_STEPS = 25
_RIDGE = 1e-3


@contextmanager
def deterministic(threads: int) -> Iterator[None]:
    """Let torch use only reproducible kernels on `threads` threads; its former settings return at the end."""
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


def fit(network: TabularNetwork, numeric: Tensor, codes: Tensor, labels: Tensor, settings: Settings, seed: int) -> None:
    """Draw the weights of `network` and train them, in place, to minimise the log loss.

    AdamW with a linear warm-up and a cosine decay of the learning rate; every row is seen once an epoch, but
    for a remainder smaller than one step.

    Args:
        network: of any weights.
        numeric: standardised values, float32 (rows, numeric columns), NaN where missing.
        codes: levels, int64 (rows, categorical columns).
        labels: float32 (rows,), 0 or 1, both present.
        settings: the optimiser's settings.
        seed: of a generator of its own; the global random state is neither read nor changed.
    """
    generator = torch.Generator().manual_seed(seed)
    network.initialise(generator, float(labels.double().mean()))
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    biases = [parameter for parameter in network.parameters() if parameter.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": weights, "weight_decay": settings.weight_decay}, {"params": biases, "weight_decay": 0.0}],
        lr=settings.learning_rate,
    )
    step_rows = settings.step_rows(len(labels))
    steps_per_epoch = len(labels) // step_rows
    for epoch in range(settings.epochs):
        order = torch.randperm(len(labels), generator=generator)
        for step in range(steps_per_epoch):
            rows = order[step * step_rows : (step + 1) * step_rows]
            rate = _rate((epoch * steps_per_epoch + step) / (settings.epochs * steps_per_epoch))
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * rate
            inputs = with_gaps(numeric[rows], codes[rows], settings.gaps, generator)
            logits = network(*inputs, dropout=settings.dropout, generator=generator)
            loss = binary_cross_entropy_with_logits(logits, labels[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def _rate(progress: float) -> float:
    """The share (0..1) of the peak learning rate after a share `progress` (0..1) of all steps."""
    if progress < _WARM_UP:
        return progress / _WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (progress - _WARM_UP) / (1 - _WARM_UP)))


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
