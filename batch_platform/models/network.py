"""The network: encode, concatenate, linear layers with ReLU, one logit. Weights and arithmetic only.

Training lives in `fitting.py`; the same arithmetic, rearranged for scoring many rows, in `runtimes/tabular.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from batch_platform.models.encoding import UNKNOWN_CODE, CategoricalEncoding, NumericEncoding

_EMBEDDING_DEVIATION = 0.3


class TabularNetwork(nn.Module):
    """A multilayer perceptron on piecewise-linear encodings of numbers and embeddings of categories.

    Args:
        numeric: its bins become constants of the network.
        categorical: one embedding table a column, whose row 0 is for unknown levels.
        hidden: the widths of the hidden layers.
        embedding: the largest width of an embedding.
    """

    median: Tensor
    bin_column: Tensor
    bin_low: Tensor
    bin_scale: Tensor
    indicator_column: Tensor
    calibration: Tensor

    def __init__(
        self, numeric: NumericEncoding, categorical: CategoricalEncoding, hidden: Sequence[int], embedding: int
    ) -> None:
        super().__init__()
        for name in ("median", "bin_column", "bin_low", "bin_scale", "indicator_column"):
            self.register_buffer(name, torch.from_numpy(getattr(numeric, name)), persistent=False)
        self.register_buffer("calibration", torch.tensor([1.0, 0.0]))
        sizes = [len(levels) + 1 for levels in categorical.levels]
        widths = categorical.widths(embedding)
        # Left uninitialised here, so that no global random state is read: training or restoring fills them.
        self.embeddings = nn.ModuleList(
            nn.utils.skip_init(nn.Embedding, size, width)  # type: ignore[no-untyped-call]
            for size, width in zip(sizes, widths, strict=True)
        )
        layers = [self.bin_low.numel() + self.indicator_column.numel() + sum(widths), *hidden, 1]
        self.layers = nn.ModuleList(
            nn.utils.skip_init(nn.Linear, inputs, outputs)  # type: ignore[no-untyped-call]
            for inputs, outputs in pairwise(layers)
        )

    def initialise(self, generator: torch.Generator, base_rate: float) -> None:
        """Draw the weights; the network starts by predicting `base_rate` (0..1, exclusive) around every row."""
        for name, parameter in self.named_parameters():
            if name.startswith("embeddings."):
                nn.init.normal_(parameter, std=_EMBEDDING_DEVIATION, generator=generator)
            elif parameter.ndim == 1:
                nn.init.zeros_(parameter)
            else:
                bound = 1 / math.sqrt(parameter.shape[1])
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
        nn.init.constant_(self.get_parameter(f"layers.{len(self.layers) - 1}.bias"), _logit(base_rate))

    def encode(self, numeric: Tensor, codes: Tensor) -> Tensor:
        """The first layer's inputs, float32 (rows, inputs).

        Args:
            numeric: standardised values, float32 (rows, numeric columns), NaN where missing.
            codes: levels, int64 (rows, categorical columns).
        """
        missing = torch.isnan(numeric)
        filled = torch.where(missing, self.median, numeric)
        bins = ((filled[:, self.bin_column] - self.bin_low) * self.bin_scale).clamp(0, 1)
        embedded = [table(codes[:, column]) for column, table in enumerate(self.embeddings)]
        return torch.cat([bins, missing[:, self.indicator_column].float(), *embedded], dim=1)

    def forward(
        self, numeric: Tensor, codes: Tensor, dropout: float = 0.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """The logits before calibration, float32 (rows,).

        Args:
            numeric: see `encode`.
            codes: see `encode`.
            dropout: the share of hidden units switched off at random, drawn from `generator`.
            generator: the source of randomness where `dropout` is above 0.
        """
        hidden = self.encode(numeric, codes)
        for layer in self.layers[:-1]:
            hidden = torch.relu(layer(hidden))
            if dropout > 0:
                kept = torch.rand(hidden.shape, generator=generator) >= dropout
                hidden = hidden * kept / (1 - dropout)
        logits: Tensor = self.layers[-1](hidden)[:, 0]
        return logits

    def probability(self, numeric: Tensor, codes: Tensor) -> Tensor:
        """The calibrated probabilities, float32 (rows,): calibration is slope and offset of the logit."""
        return torch.sigmoid(self(numeric, codes) * self.calibration[0] + self.calibration[1])


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def with_gaps(numeric: Tensor, codes: Tensor, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The inputs with a random `share` (0..1) of their cells made missing or unknown.

    Trains the indicator of every column and the unknown row of every embedding, also where the training rows
    have no gap, so that the first gap met in production is not met unprepared.
    """
    missing = torch.rand(numeric.shape, generator=generator) < share
    unknown = torch.rand(codes.shape, generator=generator) < share
    return numeric.masked_fill(missing, math.nan), codes.masked_fill(unknown, UNKNOWN_CODE)
