"""`clipig make`: words to a picture."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from clipig_commands.common import call, registry_of
from clipig_core import RunError
from clipig_core.kit import SettingsCommand, config_options, printable, rewritten, run_options


@click.command(cls=SettingsCommand)
@click.argument("words", nargs=-1, required=True)
@click.option("-n", "--number", type=click.IntRange(1, 100), default=1, help="Make N pictures, and a sheet of them.")
@config_options
@run_options
@click.pass_context
def make(
    ctx: click.Context, /, words: tuple[str, ...], look: str | None, number: int, structured: bool, **_: Any
) -> None:
    """Make a picture of WORDS.

    It is `clipig run` with the default look, and the words in it; so are its options. With `-n 4`, there are four
    pictures with different seeds, and NAME-sheet.png shows them side by side, with their similarities.

    \b
    clipig make castle
    clipig make red fox --look emoji -n 4
    clipig make owl -e 80 -r 320 200 --preview --out video.mp4
    """  # noqa: D301 - click wants the backspace
    registry = registry_of(ctx)
    args = [f"--look={look or registry.default('look')}", f"--var=text={' '.join(words)}"]
    args += rewritten(ctx, without=("look", "number", "structured"))
    if number == 1:
        call(ctx, "run", [*args, *(["--json"] if structured else [])])
        return
    with contextlib.redirect_stdout(Reports(sys.stdout, structured)) as made:
        call(ctx, "run", [*args, "--json", f"--repeat={number}"])
    path = sheet(made.found)
    click.echo(json.dumps({"sheet": str(path)}) if structured else path)


class Reports(io.StringIO):
    """Keeps what `clipig run --json` prints of each picture, and tells at once what is wanted of it."""

    def __init__(self, stream: TextIO, structured: bool) -> None:
        super().__init__()
        self.stream, self.structured = stream, structured
        self.found: list[dict[str, Any]] = []

    def write(self, line: str, /) -> int:
        report = json.loads(line)
        self.found.append(report)
        path = printable(report["picture"]) if self.stream.isatty() else os.fsencode(report["picture"])
        click.echo(line.rstrip("\n") if self.structured else path, self.stream)
        return len(line)


def sheet(made: Sequence[Mapping[str, Any]]) -> Path:
    """Write a sheet of some pictures beside them, each with its seed and similarity; returns its path.

    Raises:
        RunError: it cannot be written.
    """
    from PIL import Image

    from clipig_core.kit import contact_sheet

    pictures = [Path(one["picture"]) for one in made]
    captions = [caption(one["seed"], one["similarity"]) for one in made]
    drawn, content = contact_sheet([Image.open(path) for path in pictures], captions), io.BytesIO()
    drawn.save(content, "PNG")
    stem = re.sub(r"-seed\d+(-\d+)?$", "", pictures[0].stem)
    for number in itertools.count():
        path = pictures[0].with_name(f"{stem}-sheet{f'-{number}' if number else ''}.png")
        try:
            with path.open("xb") as file:
                file.write(content.getvalue())
        except FileExistsError:
            continue
        except OSError as error:
            raise RunError(f"cannot write '{path}': {error.strerror}") from None
        return path
    raise AssertionError


def caption(seed: int, similarity: float | None) -> str:
    """What stands below a picture: `seed 7: 28.1`."""
    return f"seed {seed}" if similarity is None else f"seed {seed}: {similarity:.1f}"
