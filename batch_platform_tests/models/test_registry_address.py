"""What is said when the registry fails: what to do about it, and whether trying again may help."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import sqlalchemy

from batch_platform.errors import RegistryError
from batch_platform.models.registry_address import reaching


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_not_a_matter_of_the_address(number: int) -> None:
    with pytest.raises(RegistryError, match="free space") as caught, reaching("sqlite:///x.db"):
        raise OSError(number, os.strerror(number), "/somewhere")
    assert "BATCH_PLATFORM_REGISTRY" not in str(caught.value) and not caught.value.transient


def test_a_full_database_is_not_a_matter_of_the_address_and_does_not_pass(tmp_path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'full.db'}")
    with pytest.raises(RegistryError, match="free space") as caught, reaching("sqlite:///x.db"):  # noqa: SIM117
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("CREATE TABLE t (x TEXT)"))
            connection.execute(sqlalchemy.text("PRAGMA max_page_count = 3"))
            connection.execute(sqlalchemy.text("INSERT INTO t VALUES (zeroblob(100000))"))
    engine.dispose()
    assert "BATCH_PLATFORM_REGISTRY" not in str(caught.value) and not caught.value.transient


def test_other_failures_name_the_setting() -> None:
    with pytest.raises(RegistryError, match="check BATCH_PLATFORM_REGISTRY") as caught, reaching("http://host"):
        raise ConnectionRefusedError("refused")
    assert caught.value.transient
