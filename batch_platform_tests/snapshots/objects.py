"""An object store's bucket that sources are read from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from batch_platform.lake.object_folder import ObjectFolder
from batch_platform_tests.conftest import BUCKET, s3_options


@dataclass(frozen=True)
class Bucket:
    """A prefix of a bucket on a server of this machine."""

    prefix: str
    endpoint: str

    def address(self, pattern: str) -> str:
        """A pattern as `files:` spells it."""
        return f"s3://{BUCKET}/{self.prefix}/{pattern}"

    def put(self, path: str, text: str) -> None:
        """Put an object."""
        ObjectFolder(f"s3://{BUCKET}/{self.prefix}", s3_options(self.endpoint)).replace(path, text.encode())

    def remove(self, path: str) -> None:
        """Delete an object."""
        ObjectFolder(f"s3://{BUCKET}/{self.prefix}", s3_options(self.endpoint)).remove(path)


@pytest.fixture
def bucket(s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty prefix that sources may read."""
    options = ",".join(f"{name}={value}" for name, value in s3_options(s3_endpoint).items())
    monkeypatch.setenv("BATCH_PLATFORM_SOURCE_OPTIONS", options)
    return Bucket(tmp_path.name, s3_endpoint)
