"""`batch-platform`: what Dagster's own command line and UI cannot do.

Belongs in this folder: arguments, progress and exit codes, a module for each group of commands. Does not belong here:
anything that another caller would need. Everything heavy is imported by the command that needs it.
"""

from __future__ import annotations

import os
import sys

import click

from batch_platform.cli.alerts import alerts
from batch_platform.cli.arrived import arrived
from batch_platform.cli.backfill import backfill
from batch_platform.cli.contract import contract
from batch_platform.cli.deliver import deliver
from batch_platform.cli.demo import demo
from batch_platform.cli.lineage import lineage
from batch_platform.cli.model import model
from batch_platform.cli.places import home, ui
from batch_platform.cli.preflight import preflight
from batch_platform.cli.prune import prune
from batch_platform.cli.replay import replay
from batch_platform.cli.score import score
from batch_platform.cli.sql import sql
from batch_platform.cli.status import status
from batch_platform.cli.tune import tune
from batch_platform.cli.vacuum import vacuum
from batch_platform.errors import BatchPlatformError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="batch-platform")
def cli() -> None:
    """Offline machine-learning predictions as time-partitioned assets.

    Exit codes: 0 done, 2 wrong configuration, 3 bad input, 4 broken contract, 5 registry, 6 model, 7 lake,
    8 a run failed, 9 a sink or alert, 10 the workers of an engine, 11 a partition is overdue, 1 anything else.
    """


for command in (
    alerts,
    arrived,
    backfill,
    contract,
    deliver,
    demo,
    home,
    lineage,
    model,
    preflight,
    prune,
    replay,
    score,
    sql,
    status,
    tune,
    ui,
    vacuum,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; a known error is one line on standard error and its exit code."""
    try:
        # Click's own handling would swallow an interruption before it could be told what is kept.
        sys.exit(cli(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BatchPlatformError as error:
        click.secho(f"{type(error).__name__}: {error}", fg="red", err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.secho("interrupted; finished partitions are kept", fg="yellow", err=True)
        sys.exit(130)
    except BrokenPipeError:
        os._exit(0)
