"""The SQL unit tests beside this file, and the models that they test.

A case stands in `<model>/<case>/`: `given.yaml`, `expect.yaml` and, where there is more to say, `case.yaml`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from batch_platform.automation.location import load_components
from batch_platform.features.unit_subjects import unit_subjects
from batch_platform.sql.unit_case import Subject
from batch_platform.sql.unit_test import case_folders

HERE = Path(__file__).parent
FOLDERS = case_folders(HERE)


@functools.cache
def models() -> Mapping[str, Subject]:
    """The models of the project, as its components declare them."""
    return unit_subjects(load_components().load_context)
