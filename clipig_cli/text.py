"""Text for terminals."""

from __future__ import annotations

import os
import shutil

import click

from clipig_core.errors import printable as printable
from clipig_core.extension.documentation import beside as beside


def columns(otherwise: int) -> int:
    """The width of the terminal, or `otherwise` if there is none, as in a pipe."""
    return shutil.get_terminal_size((otherwise, 0)).columns


def echo(text: str, *, err: bool = False) -> None:
    """Print. Styles are shown in terminals only, and not to who has set `NO_COLOR`."""
    click.echo(text, err=err, color=False if os.environ.get("NO_COLOR") else None)
