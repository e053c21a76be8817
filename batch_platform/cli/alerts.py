"""`batch-platform alerts`: what is open, whom it was told, and whether a route reaches anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from batch_platform.errors import ConfigurationError, DeliveryError

if TYPE_CHECKING:
    from batch_platform.alerts.book import Book, Entry, Told
    from batch_platform.alerts.routing import Alerting


@click.group()
def alerts() -> None:
    """Look at open alerts and at messages that could not be delivered, or try a route."""


@alerts.command("list")
def list_alerts() -> None:
    """Show open alerts, whom they were told, and addresses that take nothing.

    It shows what the sensor `alerts` saw when it looked last. Ends with exit code 9 if an address takes nothing.
    """
    from batch_platform.automation.alerting import book_of
    from batch_platform.automation.home import prepare_home
    from batch_platform.settings import Settings

    prepare_home(Settings.from_environment())
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        book = book_of(instance)
    if book is None:
        click.echo("nobody has looked yet: the sensor alerts runs where the daemon does (batch-platform ui)")
        return
    for entry in sorted(book.entries.values(), key=lambda entry: (-entry.severity, entry.since, entry.key)):
        _show(entry)
    _tell_troubles(book)


def _show(entry: Entry) -> None:
    state = f"good again since {entry.healed:%Y-%m-%d %H:%M} UTC" if entry.healed else str(entry.severity)
    quiet = ", quiet: a planned backfill is at it" if entry.muted and not entry.healed else ""
    click.secho(f"{state}: {entry.headline}{quiet}", fg=None if entry.healed else "red")
    click.echo(f"  since {entry.since:%Y-%m-%d %H:%M} UTC, alert {entry.alert_id}")
    for address, told in sorted(entry.told.items()):
        click.echo(f"  {address}: {_heard(told)}")
    if not entry.told and not entry.muted:
        click.echo("  told nobody: no route takes it, or it has not lasted for long enough to be told")


def _heard(told: Told) -> str:
    failed = f", the next message failed {_counted(told.attempts, 'time')}" if told.attempts else ""
    if told.severity is None:
        return f"told nothing{failed}"
    at = f" at {told.at:%Y-%m-%d %H:%M} UTC" if told.at else ""
    return f"told{' that it is over' if told.resolved else f' as {told.severity}'}{at}{failed}"


def _tell_troubles(book: Book) -> None:
    lasting = sum(entry.healed is None for entry in book.entries.values())
    takes = (
        f"{_counted(len(book.troubles), 'address', 'addresses')} take{'s' if len(book.troubles) == 1 else ''} nothing"
    )
    click.echo(f"{lasting} open, {takes}")
    if book.lost:
        click.secho(f"{_counted(book.lost, 'alert')} over and forgotten before everybody knew", fg="red", err=True)
    for address, trouble in sorted(book.troubles.items()):
        what = f"{address}: {trouble.text}, {_counted(trouble.attempts, 'time')} in a row"
        click.secho(f"{what}, tried again at {trouble.next_at:%Y-%m-%d %H:%M:%S} UTC", fg="red", err=True)
    if book.troubles:
        name, trouble = sorted(book.troubles.items())[0]
        raise DeliveryError(trouble.text, where=name, fix="see docs/runbooks/alerts-silent.md")


@alerts.command("test")
@click.option("--route", "chosen", multiple=True, help="Only this route; may be given several times.")
def test_alerts(chosen: tuple[str, ...]) -> None:
    """Send a test message to each route, as urgent as its most urgent messages, and that it is over.

    Ends with exit code 9 if one does not arrive.
    """
    import os

    from batch_platform.alerts.addresses import Addresses
    from batch_platform.alerts.delivery import deliver
    from batch_platform.alerts.message import trial
    from batch_platform.settings import Settings

    alerting = _declared()
    unknown = set(chosen) - {route.name for route in alerting.routes}
    if unknown or not alerting.routes:
        names = ", ".join(route.name for route in alerting.routes)
        what = f"there is no route {sorted(unknown)[0]!r}" if unknown else "no route is declared"
        raise ConfigurationError(what, fix=f"there are {names}" if names else "see docs/how-to/alerts.md")
    routes = [route for route in alerting.routes if not chosen or route.name in chosen]
    addresses = Addresses.of(routes, os.environ)
    messages = [
        message for route in routes for address in addresses.names[route.variable] for message in trial(address, route)
    ]
    storage = Settings.from_environment().project / "local" / "alerts"
    told = deliver(messages, addresses, storage=storage)
    failed = [(message, trouble) for message, trouble in zip(messages, told, strict=True) if trouble]
    for message, trouble in failed:
        click.secho(f"{message.address}: {trouble}", fg="red", err=True)
    click.echo(f"{sum(trouble == '' for trouble in told)} of {len(messages)} messages arrived")
    if failed:
        raise DeliveryError(failed[0][1], where=failed[0][0].address, fix="correct the address, then test again")


def _declared() -> Alerting:
    from batch_platform.automation.location import load_components
    from batch_platform.operations.component import operations

    return operations(load_components()).alerting


def _counted(count: int, what: str, several: str = "") -> str:
    return f"{count} {what if count == 1 else several or f'{what}s'}"
