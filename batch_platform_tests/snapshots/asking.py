"""Reading a partition of a source in a test, and the message with which it is refused."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from batch_platform.errors import BatchPlatformError
from batch_platform.partitions import Window
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.sources import Extract, source_from

BERLIN = ZoneInfo("Europe/Berlin")
KEY = "2026-01-05"
DAY = Window(datetime(2026, 1, 5, tzinfo=BERLIN), datetime(2026, 1, 6, tzinfo=BERLIN))


def ask(source: dict[str, Any], base: Path = Path(), key: str | None = KEY, window: Window | None = DAY) -> Extract:
    """The extract of a partition; of a snapshot without partitions if `key` is None."""
    return source_from(SourceSpec.model_validate(source), base=base).read(key, window if key is not None else None)


def refused(kind: type[BatchPlatformError], *parts: str, transient: bool = False, **asked: Any) -> str:
    """The message with which a partition is refused; it must be one line and hold `parts`."""
    with pytest.raises(kind) as raised:
        ask(**asked)
    message = str(raised.value)
    assert "\n" not in message
    assert raised.value.transient is transient
    for part in parts:
        assert part in message
    return message
