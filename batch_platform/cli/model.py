"""`batch-platform model`: the versions of a model, promoting one, adopting one that another tool registered."""

from __future__ import annotations

from datetime import UTC, datetime

import click


@click.group()
def model() -> None:
    """Look at model versions, promote them, adopt those of other tools."""


@model.command(name="list")
@click.argument("name")
def list_versions(name: str) -> None:
    """The versions of the model NAME that prediction tables may use, oldest first."""
    from batch_platform.models.registry import Registry
    from batch_platform.settings import Settings

    versions = Registry(Settings.from_environment()).versions(name)
    if not versions:
        click.echo(f"{name}: no version was registered or adopted")
    for version in versions:
        marks = ["promoted"] if version.promoted else []
        marks += ["champion"] if version.number == versions.champion_number else []
        marks += ["may execute code"] if version.allows_code else []
        click.echo(
            f"{version.number:>4}  from {version.window_start:%Y-%m-%d %H:%M %Z}  {version.digest[:12]}  "
            f"{version.flavor}  {', '.join(marks)}".rstrip()
        )


@model.command()
@click.argument("name")
@click.argument("version")
def promote(name: str, version: str) -> None:
    """Let VERSION of the model NAME serve its window; it becomes the champion unless a later window has one."""
    from batch_platform.models.registry import Registry
    from batch_platform.settings import Settings

    registry = Registry(Settings.from_environment())
    found = registry.numbered(name, version)
    registry.promote(found)
    click.echo(f"{name} version {version} serves from {found.window_start:%Y-%m-%d %H:%M %Z} on")


@model.command()
@click.argument("name")
@click.argument("version")
@click.option(
    "--from",
    "since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]),
    help="When it begins to serve, in UTC unless an offset is given. [default: when it was registered]",
)
@click.option(
    "--allow-pickle", is_flag=True, help="Accept files that execute code when they are loaded. Only if you trust them."
)
@click.option("--promote", "promotes", is_flag=True, help="Promote it, too.")
def adopt(name: str, version: str, since: datetime | None, allow_pickle: bool, promotes: bool) -> None:
    """Pin VERSION of the model NAME, which another tool registered in MLflow, so that prediction tables may use it."""
    from batch_platform.models.adoption import adopt as adopt_version
    from batch_platform.models.registry import Registry
    from batch_platform.settings import Settings

    settings = Settings.from_environment()
    start = since if since is None or since.tzinfo else since.replace(tzinfo=UTC)
    adopted = adopt_version(settings, name, version, start, allow_code=allow_pickle)
    if promotes:
        Registry(settings).promote(adopted)
    click.echo(
        f"{name} version {version} ({adopted.flavor}) is pinned to {adopted.digest[:12]} and "
        f"{'serves' if promotes else 'would serve'} from {adopted.window_start:%Y-%m-%d %H:%M %Z} on"
    )
