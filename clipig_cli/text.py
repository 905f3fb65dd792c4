"""Text for terminals."""

from __future__ import annotations

import os
import shutil
import textwrap

import click

from clipig_core.errors import printable as printable

NARROW = 24


def columns(otherwise: int) -> int:
    """The width of the terminal, or `otherwise` if there is none, as in a pipe."""
    return shutil.get_terminal_size((otherwise, 0)).columns


def beside(label: str, text: str, width: int) -> list[str]:
    """Lines with `label` on the left of the first, and `text` on its right, wrapped, but never to a narrow column."""
    room = max(width - len(label), NARROW)
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
    return [f"{'' if number else label:<{len(label)}}{line}".rstrip() for number, line in enumerate(lines)]


def echo(text: str, *, err: bool = False) -> None:
    """Print. Styles are shown in terminals only, and not to who has set `NO_COLOR`."""
    click.echo(text, err=err, color=False if os.environ.get("NO_COLOR") else None)
