"""Reading a source in a test, and the message with which it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from batch_platform.errors import SourceError
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.sources import Extract, source_from


def read(base: Path, files: str = "*.csv", **fields: Any) -> Extract:
    return source_from(SourceSpec.model_validate({"files": files, **fields}), base=base).read(None, None)


def refused(base: Path, content: bytes, *parts: str, name: str = "in.csv", **fields: Any) -> str:
    """The message with which `content` is refused; it must be one line, name the file, and hold `parts`."""
    (base / name).write_bytes(content)
    with pytest.raises(SourceError) as raised:
        read(base, name, **fields)
    message = str(raised.value)
    assert message.startswith(name) and "\n" not in message
    # A parser's own error may quote whole rows: it must not show in a log as the cause.
    assert raised.value.__cause__ is None and (raised.value.__suppress_context__ or not raised.value.__context__)
    for part in parts:
        assert part in message
    return message
