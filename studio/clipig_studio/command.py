"""`clipig studio`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from clipig_core import RunError


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Where to listen; 0 takes a free one.")
@click.option("--open/--no-open", "opens", default=True, help="Open the page in the browser.")
@click.option("--read-only", is_flag=True, help="Show the pictures and their configs, and refuse all runs and changes.")
@click.option("--workers", type=click.IntRange(1, 64), help="How many runs go on at once; by default one for each GPU.")
@click.pass_context
def studio(ctx: click.Context, folder: Path, port: int, opens: bool, read_only: bool, workers: int | None) -> None:
    """See pictures grow in the browser, and steer them.

    Pictures are those in FOLDER, by default the present one, and are saved there. Only this machine can reach the
    studio, with the address that it prints. Ctrl-C ends it.
    """
    from clipig_core.kit import Registry
    from clipig_studio.server import serve

    try:
        if not read_only:
            folder.mkdir(parents=True, exist_ok=True)
        serve(folder.resolve(), port, opens, ctx.find_object(Registry) or Registry(), read_only, workers)
    except OSError as error:
        raise RunError(f"the studio cannot start: {error.strerror or error}") from None
    sys.stdout.flush()
    os._exit(0)  # everything is closed; taking torch apart would take longer than Ctrl-C may
