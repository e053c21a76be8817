"""The built-in tabular network as it was trained, in torch: the reference on a CPU, the fast form on a GPU.

Does not belong here: the form that scores on a CPU (`tabular.py`), which needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from batch_platform.models.network import TabularNetwork

if TYPE_CHECKING:
    from batch_platform.models.tabular import TabularModel


class TorchTabular:
    """Scores by the trained network, in batches of one fixed size, so that its kernels always round alike.

    Args:
        model: the model.
        batch_rows: rows of every batch; the last is padded.
        device: of torch's, such as `cpu` or `cuda`.
    """

    holds_lock = False

    def __init__(self, model: TabularModel, batch_rows: int, device: str) -> None:
        self.features = model.features
        self._numeric, self._categorical = model.numeric, model.categorical
        self._batch_rows, self._device = batch_rows, torch.device(device)
        network = TabularNetwork(model.numeric, model.categorical, model.hidden, model.embedding)
        network.load_state_dict({name: torch.tensor(array) for name, array in model.weights.items()})
        self._network = network.requires_grad_(False).eval().to(self._device)

    def score(self, batch: pa.RecordBatch | pa.Table) -> NDArray[np.float32]:
        """The probability of label 1 for every row, float32 (rows,).

        Raises:
            ModelError: a feature is missing, or has another type than in training.
        """
        numeric, codes = self._staged(self._numeric.standardise(batch)), self._staged(self._categorical.codes(batch))
        scores = torch.empty(len(numeric), device=self._device)
        with torch.inference_mode():
            for start in range(0, len(scores), self._batch_rows):
                part = slice(start, start + self._batch_rows)
                scores[part] = self._network.probability(numeric[part], codes[part])
        result: NDArray[np.float32] = scores[: batch.num_rows].cpu().numpy()
        return result

    def _staged(self, rows: NDArray[Any]) -> Tensor:
        """The rows on the device, padded with zeros to whole batches; through pinned memory where it is a GPU."""
        whole = -(-len(rows) // self._batch_rows) * self._batch_rows
        source = torch.from_numpy(rows)
        host = torch.zeros((whole, rows.shape[1]), dtype=source.dtype, pin_memory=self._device.type == "cuda")
        host[: len(rows)] = source
        return host.to(self._device, non_blocking=True)
