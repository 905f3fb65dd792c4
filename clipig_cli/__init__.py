"""The command line. Commands import what they need when they run, so that help and listings start at once."""

from __future__ import annotations

import os
import sys

import click

from clipig_cli.new_plugin import new_plugin
from clipig_cli.plugins import plugins
from clipig_cli.run import run
from clipig_cli.schema import schema
from clipig_core.errors import ClipigError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="clipig", prog_name="clipig")
def cli() -> None:
    """Make images from words: YAML configs, CLIP, and gradient descent on the pixels themselves."""


cli.add_command(run)
cli.add_command(plugins)
cli.add_command(new_plugin)
cli.add_command(schema)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 the run failed, 2 the input is wrong, 130 interrupted."""
    if sys.stderr is None:  # closed by the caller; libraries expect that it is there
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - it stays open to the end
    try:
        sys.exit(cli.main(standalone_mode=False))
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ClipigError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except OSError as error:  # nobody reads stdout, or it is full
        if not isinstance(error, BrokenPipeError):
            click.echo(f"cannot write: {error.strerror}", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that the interpreter's last flush succeeds
        sys.exit(1)
