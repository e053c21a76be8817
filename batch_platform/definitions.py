"""The code location: every pipeline under `defs/`, and the policies that hold for all of them."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import dagster as dg

from batch_platform.automation.badge import with_badges
from batch_platform.automation.local_events import speed_up_local_events
from batch_platform.automation.schedule import schedule_of
from batch_platform.sensors import sensors
from batch_platform.settings import Settings

PACKAGE = Path(__file__).parent

# Nothing leaves the machine, also where Dagster runs without this project's dagster.yaml.
os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
speed_up_local_events()


@dg.definitions
def defs() -> dg.Definitions:
    """Load all pipelines; steps run in one process, since a step uses the machine's cores itself."""
    return _loaded(Settings.from_environment().project)


@cache
def _loaded(project: Path) -> dg.Definitions:
    """Dagster asks for the definitions half a dozen times to run one step; a reload is a new process."""
    return location_of(PACKAGE)


def location_of(root: Path) -> dg.Definitions:
    """The pipelines below `root` with the policies that hold for all of them; `root` is the folder above `defs/`."""
    with _made_to_stay():
        tree = dg.ComponentTree.for_project(root)
        # The pipelines alone: by default Dagster also imports and describes the components of all installed packages.
        pipelines = with_badges(tree.build_defs(tree.defs_module_path), schedule_of(tree))
        policies = dg.Definitions(executor=dg.in_process_executor, component_tree=tree)
        return dg.Definitions.merge(pipelines, sensors(tree, pipelines), policies)


@contextmanager
def _made_to_stay() -> Iterator[None]:
    """Spare the garbage collector what is made to stay, such as a hundred modules: it would go through all of it again
    and again, which takes a quarter of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
