"""Torch modules that tests register by reference."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class TwoHeads(nn.Module):
    """A probability and an embedding."""

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.body, self.score = nn.Linear(width, embedding), nn.Linear(embedding, 1)
        self.norm = nn.BatchNorm1d(embedding)

    def forward(self, numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = torch.relu(self.norm(self.body(numbers)))
        return torch.sigmoid(self.score(hidden)), hidden


class ByName(TwoHeads):
    """The same, as a mapping."""

    def forward(self, numbers: torch.Tensor) -> Any:
        score, hidden = super().forward(numbers)
        return {"late": score, "embedding": hidden}


class TextLength(nn.Module):
    """Adds a vector's sum and a text's length."""

    def forward(self, vectors: torch.Tensor, texts: list[str]) -> torch.Tensor:
        return vectors.sum(dim=1) + torch.tensor([float(len(text)) for text in texts])


class Hungry(nn.Module):
    """Runs out of a device's memory above a number of rows."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        if len(numbers) > self.rows:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return numbers.sum(dim=1)


def not_a_module(**arguments: object) -> None:
    raise AssertionError("what a file names was called")
