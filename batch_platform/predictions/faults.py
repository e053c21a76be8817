"""Errors of a model that the machine is to blame for, not the rows: a device that broke down, memory that ran out.

Belongs here: telling them by what they say. Does not belong here: what may pass when tried again in general
(`errors.py`), or finding the rows that are to blame (`attempts.py`).
"""

from __future__ import annotations

import re

from batch_platform.errors import chain

_MEMORY = re.compile(
    r"out of memory|bad[_ ]alloc|DefaultCPUAllocator|can(?:not|'t) allocate memory|failed to allocate memory"
    r"|(?:CUBLAS|CUDNN|CUSPARSE)_STATUS_ALLOC_FAILED|RESOURCE_EXHAUSTED",
    re.I,
)
_DEVICE = re.compile(
    r"CUDA (?:error|failure|driver)|(?:CUBLAS|CUDNN|CUSPARSE|CUFFT)_STATUS_|cu(?:DNN|BLAS) error|HIP error|NCCL error"
    r"|device-side assert|device kernel image",
    re.I,
)
_OF_ROWS = (ValueError, TypeError, LookupError, ArithmeticError)
"""What models raise over values; their texts may quote a value."""


def lacks_memory(error: BaseException) -> bool:
    """Whether a call failed because no memory was left, of the machine or of its accelerator."""
    return any(isinstance(link, MemoryError) or _says(_MEMORY, link) for link in chain(error))


def is_machines(error: BaseException) -> bool:
    """Whether a call failed for want of memory, or because the accelerator no longer answers.

    After an error of CUDA every later call in the process may fail, whatever its rows: no row may be told by it.
    """
    return lacks_memory(error) or any(_says(_DEVICE, link) for link in chain(error))


def _says(pattern: re.Pattern[str], error: BaseException) -> bool:
    return not isinstance(error, _OF_ROWS) and pattern.search(str(error)) is not None
