"""`batch-platform lineage`: where a column comes from, and what is computed from it."""

from __future__ import annotations

import click

from batch_platform.errors import ConfigurationError


@click.command()
@click.argument("column", metavar="TABLE.COLUMN")
@click.option("--readers", "down", is_flag=True, help="Show what is computed from the column instead.")
def lineage(column: str, down: bool) -> None:
    """Show the columns from which a column is computed, through all SQL models up to the sources.

    TABLE is a table such as features/flight_features, or a model's name:

        batch-platform lineage flight_features.late_rate_28_days
    """
    from batch_platform.cli.tables import all_models
    from batch_platform.features.lineage import LineageBook, whole_lineage
    from batch_platform.settings import Settings
    from batch_platform.sql.lineage import draw, readers, through

    table, dot, name = column.rpartition(".")
    if not dot or not table or not name:
        raise ConfigurationError(f"{column[:80]!r} names no column", fix="write TABLE.COLUMN")
    models = {features.model.table: features for features in all_models().values()}
    table = table if "/" in table else f"features/{table}"
    columns = {own: [c.name for c in features.contract.columns] for own, features in models.items()}
    for features in models.values():
        for read, schema in features.columns_read.items():
            columns.setdefault(read, list(schema.names))
    if table not in columns:
        raise ConfigurationError(f"there is no table {table[:80]!r}", fix=f"there are {', '.join(sorted(columns))}")
    if name not in columns[table]:
        raise ConfigurationError(f"{table} has no column {name[:80]!r}", fix=f"it has {', '.join(columns[table])}")
    known = whole_lineage(models.values(), LineageBook.of(Settings.from_environment().project))
    walk = readers if down else through
    root = Settings.from_environment().project
    files = {own: f.model.path for own, f in models.items()}
    places = {own: str(path.relative_to(root) if path.is_relative_to(root) else path) for own, path in files.items()}
    click.echo(draw(walk(known, table, name), places))
