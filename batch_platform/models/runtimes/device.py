"""Where a torch model computes: `cpu`, `cuda`, `cuda:1`, or `auto`, which is cuda where there is one.

Belongs here: what the names mean on this machine. Does not belong here: moving anything there (`torch_module.py`).
"""

from __future__ import annotations

import re

from batch_platform.errors import ConfigurationError

_DEVICE = re.compile(r"cpu|auto|cuda(?::(\d{1,3}))?", re.ASCII)


def refuse_unknown_device(device: str) -> None:
    """Refuse a name that means no device; imports nothing.

    Raises:
        ConfigurationError: it means none.
    """
    if not _DEVICE.fullmatch(device):
        raise ConfigurationError(f"there is no device {device!r}", fix="use cpu, auto, cuda, or cuda:1 for the second")


def found_device(device: str) -> str:
    """The device that a configured one means here, as torch names it.

    Raises:
        ConfigurationError: the name means none, or this machine or this build of torch does not have it.
    """
    refuse_unknown_device(device)
    if device == "cpu":
        return "cpu"
    import torch

    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        return "cuda" if there else "cpu"
    if int(device.partition(":")[2] or 0) >= there:
        raise ConfigurationError(
            f"device {device} is configured, but torch finds {there or 'none'} here",
            fix="use device auto or cpu, or install a torch with CUDA on a machine that has it",
        )
    return device


def device_name(device: str) -> str:
    """What a configured device is on this machine: `cpu`, or its name for torch and the kind of GPU that it is.

    Without torch a device other than `cpu` is left to the model, and its name says all that is known.

    Raises:
        ConfigurationError: see `found_device`.
    """
    try:
        found = found_device(device)
    except ImportError:
        return device
    if found == "cpu":
        return found
    import torch

    return f"{found} {torch.cuda.get_device_name(found)}"
