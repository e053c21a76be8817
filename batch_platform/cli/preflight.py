"""`batch-platform preflight`: whether sources still have the shape that is declared, before anything is read."""

from __future__ import annotations

import click

from batch_platform.errors import ContractError


@click.command()
@click.argument("name", metavar="PIPELINE_OR_TABLE")
@click.option("--partition", help="One partition's key; by default the newest.")
@click.option("--from", "first", help="The first partition of a range.")
@click.option("--to", "last", help="The last partition of a range.")
def preflight(name: str, partition: str | None, first: str | None, last: str | None) -> None:
    """Compare the files of snapshots with what is declared, without reading their rows.

    Ends with exit code 4 if a partition would be refused; added columns are reported only.
    """
    import warnings

    if partition and (first or last):
        raise click.UsageError("give --partition, or --from and --to")
    if last and not first:
        raise click.UsageError("--to needs --from")
    warnings.simplefilter("ignore")
    from batch_platform.automation.location import load_components
    from batch_platform.snapshots.component import preflights

    found = preflights(load_components(), name, partition or first, partition or last)
    for findings in found:
        for line in findings.lines():
            click.echo(line)
    broken = [findings.table for findings in found if findings.breaks]
    if broken:
        raise ContractError(
            f"{', '.join(broken)} would refuse partitions", fix="correct the source, or what is declared of it"
        )
