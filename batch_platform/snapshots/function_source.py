"""The `function` source: what a Python function of the user's gives for a partition.

Belongs here: calling it, and taking what it gives. Does not belong here: casting (`typed_rows.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from batch_platform.errors import BatchPlatformError, ConfigurationError, SourceError, first_line, is_transient
from batch_platform.snapshots.declared_sources import FunctionSource
from batch_platform.snapshots.numbered_rows import extract_of
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.sources import Extract
from batch_platform.snapshots.typed_rows import typed

if TYPE_CHECKING:
    from batch_platform.partitions import Window

_EXPECTED = "return a table or reader of pyarrow, or a frame of polars or pandas"


@dataclass(frozen=True)
class CalledSource:
    """Calls `spec.function.call` as `f(partition_key, start, end, **options)`; None thrice without partitions."""

    spec: SourceSpec
    base: Path

    def read(self, partition_key: str | None, window: Window | None) -> Extract:
        """What the function gives, in an order of its own; see `Source.read`."""
        declared = self.spec.function
        assert declared is not None
        found = called(declared.call, declared, partition_key, window)
        try:
            reader = _reader(found)
            if reader is None:
                raise SourceError(f"it returned {type(found).__name__}", where=declared.origin, fix=_EXPECTED)
            rows, extra = typed(reader.schema, reader, self.spec, declared.origin)
        except BatchPlatformError:
            raise
        except Exception as error:  # a reader runs the user's code, too
            raise _failed(declared.call, error) from error
        return extract_of(rows, declared.origin, (), extra)


def called(name: str, declared: FunctionSource, partition_key: str | None, window: Window | None) -> Any:
    """What the function `package.module:function` gives for a partition, whatever it is.

    Raises:
        ConfigurationError: there is no such function.
        SourceError: it raised something, which is the cause.
    """
    function = _imported(name)
    start, end = (None, None) if window is None else (window.start, window.end)
    try:
        return function(partition_key, start, end, **declared.options)
    except BatchPlatformError:
        raise
    except Exception as error:
        raise _failed(name, error) from error


def _failed(name: str, error: Exception) -> SourceError:
    return SourceError(
        f"it raised {type(error).__name__}: {first_line(error)}",
        where=f"function:{name}",
        fix="see the traceback in the run's log",
        transient=is_transient(error),
    )


def _imported(name: str) -> Callable[..., Any]:
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute, None)
    except Exception as error:  # a module may do anything while it is imported
        raise ConfigurationError(
            f"{module} does not import: {type(error).__name__}: {first_line(error)}",
            where=f"function:{name}",
            fix="install it, or put its folder on PYTHONPATH wherever runs execute",
        ) from error
    if not callable(found):
        what = "is no function" if found is not None else "is not there"
        raise ConfigurationError(f"{attribute!r} {what}", where=f"function:{name}", fix=f"define it in {module}")
    return cast(Callable[..., Any], found)


def _reader(found: Any) -> pa.RecordBatchReader | None:
    """What a function gave, as batches; None if it is nothing that has any."""
    package = type(found).__module__.partition(".")[0]
    if package == "pandas" and type(found).__name__ == "DataFrame":
        named = any(name is not None for name in found.index.names)
        return pa.Table.from_pandas(found, preserve_index=named).to_reader()
    if isinstance(found, pa.RecordBatch):
        return pa.Table.from_batches([found]).to_reader()
    if hasattr(found, "__arrow_c_stream__") and not isinstance(found, pa.ChunkedArray) and package != "pandas":
        return pa.RecordBatchReader.from_stream(found)
    return None
