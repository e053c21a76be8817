"""The SQL unit tests beside this file, and the models that they test.

A case stands in `<model>/<case>/`: `given.yaml`, `expect.yaml` and, where there is more to say, `case.yaml`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from batch_platform.automation.location import load_components
from batch_platform.features.component import sql_models
from batch_platform.snapshots.component import snapshot_columns
from batch_platform.sql.unit_case import Subject
from batch_platform.sql.unit_test import case_folders, subjects

HERE = Path(__file__).parent
FOLDERS = case_folders(HERE)


@functools.cache
def models() -> Mapping[str, Subject]:
    """The models of the project, as its components declare them."""
    context = load_components().load_context
    return subjects(sql_models(context).values(), snapshot_columns(context))
