"""`batch-platform deliver`: committed predictions to the sinks that do not have them."""

from __future__ import annotations

import click

from batch_platform.cli.tables import prediction_table
from batch_platform.errors import ConfigurationError, DeliveryError


@click.command()
@click.argument("table")
@click.argument("partitions", nargs=-1, metavar="[PARTITION]...")
@click.option("--sink", "chosen", multiple=True, help="Only this sink; may be given several times.")
@click.option("--again", is_flag=True, help="Also what a sink has already: its target was lost, or changed by others.")
def deliver(table: str, partitions: tuple[str, ...], chosen: tuple[str, ...], again: bool) -> None:
    """Deliver committed partitions of the prediction table TABLE to its sinks; all partitions if none is named.

    What a sink has is left out. Nothing is scored. Ends with exit code 9 if a sink lacks a partition afterwards.
    """
    import uuid

    from batch_platform.lake.table import Table
    from batch_platform.outcomes import Run
    from batch_platform.settings import Settings
    from batch_platform.sinks.delivery import deliver_all

    predictions = prediction_table(table)
    unknown = set(chosen) - {sink.name for sink in predictions.sinks}
    if unknown or not predictions.sinks:
        names = ", ".join(sink.name for sink in predictions.sinks)
        what = f"has no sink {sorted(unknown)[0]!r}" if unknown else "has no sinks"
        raise ConfigurationError(
            what, where=predictions.table, fix=f"it has {names}" if names else "declare some under sinks:"
        )
    for key in partitions:
        predictions.calendar.window(key)
    settings = Settings.from_environment()
    keys = partitions or tuple(sorted(Table(settings.lake, predictions.table).partitions()))
    sinks = [sink for sink in predictions.sinks if not chosen or sink.name in chosen]
    run = Run(f"deliver-{uuid.uuid4().hex[:12]}")
    results = deliver_all(sinks, settings, predictions.table, keys, predictions.key, run, again=again)
    for result in results:
        if result.error is not None:
            click.secho(str(result.error), fg="red", err=True)
        elif not result.before:
            click.echo(f"{result.sink}: {result.rows:,} rows of {result.partition}")
    sent = [result for result in results if result.error is None and not result.before]
    failed = [result for result in results if result.error is not None]
    click.echo(f"{len(sent)} delivered, {len(results) - len(sent) - len(failed)} there already, {len(failed)} failed")
    if failed:
        raise DeliveryError(
            f"{len(failed)} of {len(results)} deliveries failed",
            where=predictions.table,
            fix="see above; deliver again",
        )
