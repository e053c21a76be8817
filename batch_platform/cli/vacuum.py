"""`batch-platform vacuum`: delete what killed runs left behind, and nothing else."""

from __future__ import annotations

import re
from datetime import timedelta

import click

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Age(click.ParamType[timedelta]):
    """A length of time such as `90m`, `36h`, `7d` or `2w`."""

    name = "age"

    def convert(self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The length of time that a text spells."""
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d{1,5})([mhdw])", value.strip(), re.ASCII)
        if match is None:
            self.fail(f"{value!r} is no age; write a number and m, h, d or w, such as 7d", param, ctx)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})


@click.command()
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@click.option("--older-than", type=Age(), default="7d", show_default=True, help="What is younger stays; 1h or more.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and delete nothing.")
def vacuum(tables: tuple[str, ...], older_than: timedelta, dry_run: bool) -> None:
    """Delete leftovers of runs that were killed: of the tables named, or of all tables and among spilled rows.

    Files that any version of a table names stay, and a table that a run works on is passed by.
    """
    from batch_platform.errors import ConfigurationError, LakeError
    from batch_platform.lake.vacuum import LEAST_AGE, Vacuumed, vacuum_spill
    from batch_platform.lake.vacuum import vacuum as clean
    from batch_platform.settings import Settings

    if older_than < LEAST_AGE and not dry_run:
        raise ConfigurationError("--older-than is less than an hour", fix="a run that has just begun needs its files")
    settings = Settings.from_environment()
    lake, spill = settings.lake, settings.resources.spill

    def tell(found: Vacuumed) -> None:
        verb = "would go" if dry_run else "deleted"
        said = found.skipped or f"{found.files:,} files, {found.size_bytes:,} bytes {verb}"
        click.echo(f"{found.place}: {said}")

    problem: LakeError | None = None
    for table in tables or lake.tables():
        try:
            tell(clean(lake, table, older_than, dry_run=dry_run))
        except LakeError as error:
            # One damaged table must not keep the others full of leftovers.
            click.secho(f"LakeError: {error}", fg="red", err=True)
            problem = error
    if not tables and spill is not None:
        tell(vacuum_spill(spill, older_than, dry_run=dry_run))
    if problem is not None:
        raise click.exceptions.Exit(problem.exit_code)
