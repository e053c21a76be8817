"""`batch-platform home` and `ui`: where Dagster keeps its state, and the web UI over it."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click


@click.command()
def home() -> None:
    """Prepare Dagster's home and print how to name it to a shell: eval "$(batch-platform home)"."""
    from batch_platform.automation.home import HOME, prepare_home
    from batch_platform.settings import Settings

    click.echo(f"export {HOME}={shlex.quote(str(prepare_home(Settings.from_environment())))}")


@click.command()
@click.option("--port", default=3000, show_default=True, help="The port on 127.0.0.1.")
def ui(port: int) -> None:
    """Open Dagster's web UI and daemon, with the state that the demo and earlier sessions left."""
    from batch_platform.automation.home import prepare_home
    from batch_platform.settings import Settings

    settings = Settings.from_environment()
    prepare_home(settings)
    os.chdir(settings.project)
    # The UI takes over this process, so that an interruption reaches it and its children directly.
    program = str(Path(sys.executable).with_name("dagster"))
    os.execv(program, [program, "dev", "--workspace", "workspace.yaml", "--host", "127.0.0.1", "--port", str(port)])
