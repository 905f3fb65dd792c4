"""`clipig schema`: what a config may hold, for editors."""

from __future__ import annotations

import contextlib
import json
import sys

import click


@click.command()
@click.pass_context
def schema(ctx: click.Context) -> None:
    """Print a JSON Schema of configs, for editors that complete and check them.

    It describes the plugins that are installed, so print it again when they change.
    """
    from clipig_core.config.json_schema import Builder
    from clipig_core.extension.registry import Registry

    with contextlib.redirect_stdout(sys.stderr):  # of plugins that print when they are imported
        builder = Builder(ctx.find_object(Registry) or Registry())
        text = json.dumps(builder.config(), indent=1)
    for problem in builder.left_out:
        click.echo(f"left out: {problem}", err=True)
    click.echo(text)
