"""`dg scaffold defs`: the way from Dagster's command to the modules that write a component's files.

Belongs here: what Dagster asks of a scaffolder. Does not belong here: what is written (`batch_platform/scaffold/`).
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import click
import dagster as dg

from batch_platform.errors import BatchPlatformError, ConfigurationError


def scaffolder(module: str) -> type[dg.Scaffolder[Any]]:
    """A scaffolder for a component; `module` is imported only when it is used.

    The module offers `Params`, a pydantic model whose fields become the command's options, and
    `scaffold(params, target, project)`, which writes the files and says in lines what it wrote.
    """

    class PipelineScaffolder(dg.Scaffolder[Any]):
        @classmethod
        def get_scaffold_params(cls) -> Any:
            return import_module(module).Params

        def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
            try:
                if request.scaffold_format != "yaml" or request.project_root is None:
                    raise ConfigurationError("a pipeline is written in YAML", fix="leave --format out")
                lines = import_module(module).scaffold(request.params, request.target_path, request.project_root)
            except BatchPlatformError as error:
                raise click.ClickException(str(error)) from None
            finally:
                _remove_empty(request.target_path)
            for line in lines:
                click.echo(line)
            if context := click.get_current_context(silent=True):
                # Dagster would look for a defs.yaml in the new folder, but a pipeline has one for all its components.
                context.exit(0)

    return PipelineScaffolder


def _remove_empty(folder: Path) -> None:
    """Take away the folders that Dagster's command made and nobody filled: they would refuse the next attempt."""
    for candidate in (folder, folder.parent):
        if candidate.is_dir() and candidate.name != "defs" and not any(candidate.iterdir()):
            candidate.rmdir()
