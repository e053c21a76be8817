"""Faults of the machine are told by what an error says, however it is wrapped, and not by values that texts quote."""

from __future__ import annotations

import pytest

from batch_platform.predictions.faults import is_machines, lacks_memory


def wrapped(cause: Exception) -> Exception:
    error = RuntimeError("the model cannot predict")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "machines", "memory"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"), True, True),
        (RuntimeError("std::bad_alloc"), True, True),
        (MemoryError(), True, True),
        (wrapped(MemoryError()), True, True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), True, False),
        (wrapped(RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED")), True, False),
        (RuntimeError("shape mismatch"), False, False),
        (ValueError("unknown category 'out of memory'"), False, False),
        (KeyError("CUDA error: no"), False, False),
    ],
)
def test_what_the_machine_is_to_blame_for(error: Exception, machines: bool, memory: bool) -> None:
    assert (is_machines(error), lacks_memory(error)) == (machines, memory)
