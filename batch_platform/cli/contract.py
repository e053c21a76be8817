"""`batch-platform contract diff`: what a changed contract means for those who read the table."""

from __future__ import annotations

from pathlib import Path

import click

from batch_platform.errors import ContractError


@click.group()
def contract() -> None:
    """Look at data contracts."""


@contract.command()
@click.argument("model", required=False)
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Compare with the SQL project in this folder, such as a checkout of the main branch, not with the lake.",
)
def diff(model: str | None, against: Path | None) -> None:
    """Compare contracts as they are declared now with those that the tables in the lake were last held against.

    MODEL is one model; all stored models if it is left out. Ends with exit code 4 if a change breaks readers.
    """
    import functools

    from batch_platform.cli.tables import all_models, find_model
    from batch_platform.contracts.diff import describe
    from batch_platform.features.contract_changes import changes_against, changes_since
    from batch_platform.features.definition import is_stored
    from batch_platform.settings import Settings
    from batch_platform.sql.project import load_project

    chosen = [find_model(model)] if model else [f for f in all_models().values() if is_stored(f.model)]
    load = functools.cache(load_project)
    lake, broken = Settings.from_environment().lake, []
    for features in sorted(chosen, key=lambda features: features.model.name):
        if against:
            changes = changes_against(features, load(features.project), load(against))
        else:
            changes = changes_since(features, lake)
        if changes is None:
            click.echo(f"{features.model.table}: nothing to compare with yet")
            continue
        click.echo(f"{features.model.table}: {'no change' if not changes else ''}".rstrip(" "))
        if changes:
            click.echo(describe(changes))
        broken += [features.model.table] if any(change.breaking for change in changes) else []
    if broken:
        raise ContractError(
            f"the changes break whoever reads {', '.join(broken)}", fix="give the new table another name, or tell them"
        )
