"""`clipig make`: words to a picture."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from clipig_commands.common import call, registry_of
from clipig_core import RunError
from clipig_core.kit import names_of

if TYPE_CHECKING:
    from clipig_core.kit import Registry


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--look", help="Another look than the default one.", shell_complete=names_of("look"))
@click.option("-n", "--number", type=click.IntRange(1, 100), default=1, help="Make N pictures, and a sheet of them.")
@click.option("-o", "--output", help="Directory (ending with '/') or '.png' file.")
@click.option("-e", "--epochs", help="Number of optimisation steps.")
@click.option("--seed", help="Seed of all randomness; of N pictures the first one's.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Any parameter: targets.0.weight=2.")
@click.option("-v", "--verbose", help="0 errors only, 1 progress, 2 statistics.")
@click.pass_context
def make(
    ctx: click.Context,
    /,
    words: tuple[str, ...],
    look: str | None,
    number: int,
    changes: tuple[str, ...],
    **options: str | None,
) -> None:
    """Make a picture of WORDS.

    It is `clipig run` with the default look, and the words in it. With `-n 4`, there are four pictures with different
    seeds, and NAME-sheet.png shows them side by side.

    \b
    clipig make castle
    clipig make red fox --look emoji -n 4
    """  # noqa: D301 - click wants the backspace
    registry = registry_of(ctx)
    args = ["--look", look or registry.default("look"), "--var", f"text={' '.join(words)}"]
    args += [f"--{name}={value}" for name, value in options.items() if value is not None]
    args += [f"--set={change}" for change in changes]
    if number == 1:
        call(ctx, "run", args)
        return
    printed = Tee(sys.stdout.buffer)
    with contextlib.redirect_stdout(io.TextIOWrapper(printed, "utf-8", write_through=True)):
        call(ctx, "run", [*args, f"--repeat={number}"])
        paths = printed.getvalue().splitlines()
    click.echo(sheet([Path(os.fsdecode(path)) for path in paths], registry))


class Tee(io.BytesIO):
    """Passes everything on, and keeps it."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self.stream = stream

    def write(self, data: Any, /) -> int:
        self.stream.write(data)
        self.stream.flush()
        return super().write(data)


def sheet(pictures: list[Path], registry: Registry) -> Path:
    """Write a sheet of some pictures beside them, each with its seed; returns its path.

    Raises:
        RunError: it cannot be written.
    """
    from PIL import Image

    from clipig_core.kit import contact_sheet, read

    captions = [f"seed {read([str(path)], {}, registry).seed}" for path in pictures]
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
