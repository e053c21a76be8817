"""Tabular models with random weights, whose encodings fit a table: as good as trained ones where only numbers count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import torch

from batch_platform.models.encoding import CategoricalEncoding, NumericEncoding
from batch_platform.models.feature_kinds import feature_kinds
from batch_platform.models.network import TabularNetwork
from batch_platform.models.tabular import TabularModel

FEATURES = ("angle", "year", "seen", "count", "gap", "constant", "color", "airport", "is_open")


def untrained(table: pa.Table, features: Sequence[str] = FEATURES, hidden: tuple[int, ...] = (32, 16)) -> TabularModel:
    """A model of the table's columns whose scores spread over 0 to 1."""
    numeric_names, categorical_names = feature_kinds(table.schema, features)
    numeric = NumericEncoding.fit(table, numeric_names, bins=8)
    categorical = CategoricalEncoding.fit(table, categorical_names, minimum_rows=2)
    network = TabularNetwork(numeric, categorical, hidden, embedding=8)
    generator = torch.Generator().manual_seed(3)
    network.initialise(generator, 0.4)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    network.calibration.copy_(torch.tensor([1.7, -0.2]))
    weights = {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}
    return TabularModel(tuple(features), numeric, categorical, hidden, 8, 1, weights)


def rows_like(rows: int, seed: int = 0) -> pa.Table:
    """Rows with every kind of column: far from zero, skewed, with gaps, constant, with rare levels."""
    random = np.random.default_rng(seed)
    gap = np.where(random.random(rows) < 0.3, np.nan, random.gamma(1.0, 3.0, size=rows))
    airports = np.array([f"A{number:02d}" for number in range(60)])
    colors = np.array(["blue", "green", "red", None], dtype=object)
    return pa.table(
        {
            "angle": random.normal(size=rows).astype(np.float32),
            "year": pa.array(random.integers(1990, 2030, rows), pa.int16()),
            "seen": 1_700_000_000 + random.integers(0, 86_400 * 365, rows),
            "count": pa.array(random.poisson(0.7, rows), pa.int32(), mask=random.random(rows) < 0.1),
            "gap": pa.array(gap, from_pandas=True),
            "constant": np.full(rows, 3.0),
            "color": pa.array(random.choice(colors, rows).tolist(), pa.string()),
            "airport": pa.array(random.choice(airports, rows).tolist()).dictionary_encode(),
            "is_open": pa.array(random.random(rows) < 0.5, mask=random.random(rows) < 0.05),
        }
    )


def batch_of(table: pa.Table) -> pa.RecordBatch:
    """The table as a single batch."""
    return table.combine_chunks().to_batches()[0]
