"""Every SQL unit test beside this file: the rows that a model yields on the rows that the case gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.sql.unit_test import check
from batch_platform_tests.sql.cases import FOLDERS, HERE, models


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(HERE).as_posix())
def test_the_model_yields_what_the_case_expects(folder: Path) -> None:
    check(folder, models())
