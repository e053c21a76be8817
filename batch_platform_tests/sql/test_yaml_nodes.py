"""YAML documents: what cannot be read is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.errors import ConfigurationError
from batch_platform_tests.contracts.declared import load_contracts


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "schema.yml").write_bytes(b"models: \xff\n")
    with pytest.raises(ConfigurationError, match="is not YAML"):
        load_contracts(tmp_path)
