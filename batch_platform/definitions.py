"""The code location: every pipeline under `defs/`, and the policies that hold for all of them."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from batch_platform.automation.local_events import speed_up_local_events

PACKAGE = Path(__file__).parent

# Nothing leaves the machine, also where Dagster runs without this project's dagster.yaml.
os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
speed_up_local_events()


@dg.definitions
def defs() -> dg.Definitions:
    """Load all pipelines; steps run in one process, since a step uses the machine's cores itself."""
    pipelines = dg.load_from_defs_folder(path_within_project=PACKAGE)
    return dg.Definitions.merge(pipelines, dg.Definitions(executor=dg.in_process_executor))
