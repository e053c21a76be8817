"""`batch-platform sql`: the SQL that would run for a partition, the first rows that it gives, and its unit tests."""

from __future__ import annotations

from pathlib import Path

import click

from batch_platform.errors import ConfigurationError, ContractError

CASES = Path("batch_platform_tests") / "sql"
"""Where unit tests lie in a project that says nothing else."""

_WIDE = 12
"""Columns from which on rows are printed side by side."""


@click.group()
def sql() -> None:
    """Look at SQL models, and test them."""


@sql.command()
@click.argument("model")
@click.option("--partition", help="The partition's key; a table without partitions has none.")
@click.option(
    "--stage",
    type=click.Choice(["rendered", "order-proof", "final"]),
    default="final",
    show_default=True,
    help="rendered: what the template says. order-proof: with sums that follow no order. final: what runs.",
)
def show(model: str, partition: str | None, stage: str) -> None:
    """Print the SQL of MODEL for one partition."""
    from batch_platform.cli.tables import find_model, partition_of
    from batch_platform.features.preview import stages

    features = find_model(model)
    found = stages(features, partition_of(features, partition))
    click.echo({"rendered": found.rendered, "order-proof": found.order_proof, "final": found.final}[stage])
    for reason in found.unproven:
        click.secho(f"may follow the order of rows: {reason}", fg="yellow", err=True)


@sql.command()
@click.argument("model")
@click.option("--partition", help="The partition's key; a table without partitions has none.")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 10_000), help="How many rows to show.")
def run(model: str, partition: str | None, limit: int) -> None:
    """Run the SQL of MODEL for one partition on what the lake holds, and print its first rows; nothing is written."""
    import polars as pl

    from batch_platform.cli.tables import find_model, partition_of
    from batch_platform.features.preview import first_rows
    from batch_platform.settings import Settings

    features = find_model(model)
    settings = Settings.from_environment()
    rows = first_rows(features, settings.lake, partition_of(features, partition), limit, settings.resources)
    personal = [column.name for column in features.contract.columns if column.personal]
    frame = pl.DataFrame(pl.from_arrow(rows)).with_columns(pl.lit("***").alias(name) for name in personal)
    if frame.width > _WIDE:  # a column a line, and each row a column
        texts = frame.select(pl.all().cast(pl.String, strict=False))
        frame = texts.transpose(include_header=True, column_names=[f"row {n + 1}" for n in range(frame.height)])
    with pl.Config(
        tbl_rows=-1, tbl_cols=-1, tbl_width_chars=10_000, fmt_str_lengths=60, tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=frame.width > 0 and "column" in frame.columns,
    ):  # fmt: skip
        click.echo(str(frame))


@sql.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
def test(folder: Path | None) -> None:
    """Run the SQL unit tests below FOLDER: cases in <model>/<case>/, with rows that are given and rows expected.

    FOLDER is batch_platform_tests/sql of the project if it is left out. No lake is needed. Ends with exit code 4 if a
    case fails.
    """
    import warnings

    from batch_platform.automation.location import load_components
    from batch_platform.features.unit_subjects import unit_subjects
    from batch_platform.settings import Settings
    from batch_platform.sql.unit_test import case_folders, check

    warnings.simplefilter("ignore")
    root = folder or Settings.from_environment().project / CASES
    cases = case_folders(root)
    if not cases:
        raise ConfigurationError("the folder holds no case", where=str(root), fix="add <model>/<case>/expect.yaml")
    models = unit_subjects(load_components().load_context)
    failed = 0
    for case in cases:
        name = f"{case.parent.name}/{case.name}"
        try:
            check(case, models)
            click.echo(f"passed {name}")
        except AssertionError as difference:
            click.echo(f"failed {difference}")
        except ConfigurationError as error:
            click.echo(f"failed {name}:\n  {error}")
        else:
            continue
        failed += 1
    if failed:
        raise ContractError(f"{failed} of {len(cases)} cases failed", fix="correct the SQL, or what is expected of it")
