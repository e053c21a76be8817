"""Any torch module as a model that the registry stores as tensors and JSON, and the runtime that scores with it.

A trainer returns `TorchModel.of(network, ...)`. What the file names, a class of an installed package, is imported and
called only after the digest was verified and only if it is a torch module.

Belongs here: the model, its restoration, computing on a device. Does not belong here: how columns become tensors
(`tensor_inputs.py`), or which device (`device.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import nn

from batch_platform.errors import ConfigurationError, ModelError, first_line
from batch_platform.models import artifact
from batch_platform.models.runtimes.base import BATCH_ROWS, Raw
from batch_platform.models.runtimes.batches import in_batches
from batch_platform.models.runtimes.device import found_device
from batch_platform.models.runtimes.tensor_inputs import TensorInput

FORMAT = 1
"""Version of the layout of `TorchModel.tensors` and `TorchModel.config`."""


@dataclass(frozen=True)
class TorchModel:
    """A torch module with how it is built and fed; fulfils `artifact.Model`.

    Attributes:
        module: the module's class as `package.module:Class`.
        arguments: what it is built with, as JSON values.
        inputs: what `forward` takes, in order.
        tensors: its `state_dict`, as numpy arrays.
        outputs: names of what it gives, for a module that returns several tensors; a module that returns a mapping
            names them itself.
    """

    module: str
    arguments: Mapping[str, Any]
    inputs: tuple[TensorInput, ...]
    tensors: Mapping[str, npt.NDArray[Any]]
    outputs: tuple[str, ...] = ()

    @staticmethod
    def of(
        network: nn.Module, arguments: Mapping[str, Any], inputs: Sequence[TensorInput], outputs: Sequence[str] = ()
    ) -> TorchModel:
        """The model that a trained network is.

        Args:
            network: the network; its class must be importable where it scores.
            arguments: what its class was called with, as JSON values.
            inputs: what `forward` takes, in order.
            outputs: names of the tensors that it returns, if they are several.

        Raises:
            ModelError: it has a tensor that no file of ours holds, such as one of bfloat16.
        """
        kind = type(network)
        try:
            tensors = {name: tensor.detach().cpu().numpy().copy() for name, tensor in network.state_dict().items()}
        except (TypeError, RuntimeError) as error:
            raise ModelError(f"the network has a tensor that cannot be stored: {first_line(error)}") from error
        reference = f"{kind.__module__}:{kind.__qualname__}"
        return TorchModel(reference, dict(arguments), tuple(inputs), tensors, tuple(outputs))

    @property
    def features(self) -> tuple[str, ...]:
        """The columns it reads, in order."""
        return tuple(dict.fromkeys(name for given in self.inputs for name in given.columns))

    @property
    def config(self) -> dict[str, object]:
        """Everything but the tensors, as JSON values."""
        return {
            "format": FORMAT,
            "module": self.module,
            "arguments": dict(self.arguments),
            "inputs": [given.config for given in self.inputs],
            "outputs": list(self.outputs),
        }

    @staticmethod
    def from_parts(tensors: Mapping[str, npt.NDArray[Any]], config: Mapping[str, Any]) -> TorchModel:
        """The model that gave these tensors and this config.

        Raises:
            ModelError: they are of another format, or do not fit each other.
        """
        if config.get("format") != FORMAT:
            raise ModelError(
                f"the model has format {config.get('format')!r}, this version reads {FORMAT}",
                fix="load it with the package version that registered it",
            )
        inputs = tuple(TensorInput.from_config(given) for given in config["inputs"])
        return TorchModel(config["module"], config["arguments"], inputs, dict(tensors), tuple(config["outputs"]))

    def predict(self, batch: pa.RecordBatch | pa.Table) -> Any:
        """What the network gives for the rows, computed on the CPU: see `TorchRuntime.score`."""
        if batch.num_rows == 0:
            return np.empty(0, np.float32)
        rows = batch.combine_chunks().to_batches()[0] if isinstance(batch, pa.Table) else batch
        return self.runtime(BATCH_ROWS, "cpu").score(rows)

    def runtime(self, batch_rows: int, device: str) -> TorchRuntime:
        """The model ready to score.

        Raises:
            ModelError: the network cannot be built, or the tensors are not its own.
            ConfigurationError: the device is not there.
        """
        return TorchRuntime(self, self._network().to(found_device(device)), batch_rows, found_device(device))

    def _network(self) -> nn.Module:
        try:
            kind = artifact.resolve(self.module)
        except ConfigurationError as error:
            raise ModelError(error.what, fix="install the package that defines the network") from error
        if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
            raise ModelError(f"{self.module} is no class of torch modules", fix="register the network's own class")
        try:
            network = kind(**self.arguments)
            network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in self.tensors.items()})
        except Exception as error:  # whatever a class of the user's own may raise
            raise ModelError(
                f"{self.module} cannot be restored: {first_line(error)}",
                fix="use the version of its package that it was trained with",
            ) from error
        return network.eval().requires_grad_(False)


class TorchRuntime:
    """A torch module on a device.

    Args:
        model: what is computed.
        network: its module, already there.
        batch_rows: rows of a batch; the last one is filled up, since kernels round differently at other sizes.
        device: `cpu` or `cuda`.
    """

    holds_lock = False

    def __init__(self, model: TorchModel, network: nn.Module, batch_rows: int, device: str) -> None:
        self.model, self.network, self.batch_rows, self.device = model, network, batch_rows, device

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that the module reads."""
        return self.model.features

    def refuse_unfit(self, schema: pa.Schema) -> None:
        """Refuse columns of types that no tensor of the declared type is made from.

        Raises:
            ModelError: naming the column, the wanted and the found type.
        """
        for given in self.model.inputs:
            given.refuse_unfit(schema)

    def score(self, batch: pa.RecordBatch) -> Raw:
        """What the module gives: an array with a row for each row, or a mapping of names to such arrays.

        Raises:
            ValueError: a row holds nothing where a number is wanted, or vectors of different lengths.
            ModelError: the module gives something else than tensors with a row for each row, or a batch does not fit
                into the device's memory.
        """
        return in_batches(self._predict, batch.select(list(self.features)), self.batch_rows, padded=True)

    def _predict(self, part: pa.RecordBatch) -> Raw:
        try:
            return self._compute([given.tensor(part) for given in self.model.inputs])
        except torch.cuda.OutOfMemoryError as error:
            # A smaller batch would fit, and might give other bits than those that batch_rows stands for.
            raise ModelError(
                f"a batch of {self.batch_rows} rows does not fit into the device's memory",
                fix="lower scoring.batch_rows, or use a larger device, or device cpu",
            ) from error

    def _compute(self, inputs: Sequence[torch.Tensor | list[str]]) -> Raw:
        with torch.inference_mode():
            given = self.network(*(self._moved(value) for value in inputs))
            return self._named(given)

    def _moved(self, value: torch.Tensor | list[str]) -> torch.Tensor | list[str]:
        if self.device == "cpu" or isinstance(value, list):
            return value
        return value.pin_memory().to(self.device, non_blocking=True)

    def _named(self, given: Any) -> Raw:
        names = self.model.outputs
        if isinstance(given, Mapping):
            return {name: _array(given[name]) for name in (names or given)}
        if isinstance(given, tuple | list):
            if len(given) != len(names):
                raise ModelError(
                    f"the network gives {len(given)} tensors, {len(names)} outputs are named",
                    fix="name each of them when the model is made",
                )
            return {name: _array(value) for name, value in zip(names, given, strict=True)}
        return {names[0]: _array(given)} if len(names) == 1 else _array(given)


def _array(value: Any) -> npt.NDArray[Any]:
    if not isinstance(value, torch.Tensor):
        raise ModelError(f"the network gives a {type(value).__name__}, not a tensor", fix="return tensors")
    value = value.float() if value.dtype == torch.bfloat16 else value
    array: npt.NDArray[Any] = value.cpu().numpy()
    return array
