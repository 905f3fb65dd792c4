"""`clipig show`: how a picture was made."""

from __future__ import annotations

import click

from clipig_commands.common import as_json
from clipig_core import InputError
from clipig_core.kit import files, printable


@click.command()
@click.argument("picture", shell_complete=files)
@click.option("--config", "only", is_flag=True, help="Print nothing but the config, as YAML that can be run.")
@click.option("--json", "structured", is_flag=True, help="Print JSON.")
def show(picture: str, only: bool, structured: bool) -> None:
    """Show how PICTURE was made: versions, seed, statistics and the whole config.

    PICTURE is one that clipig made, or the config beside it. What was measured stands before the config, in comments.
    """
    from clipig_core.kit import read_text

    text = read_text(picture)
    lines = (text if isinstance(text, str) else text.decode("utf-8", "replace")).splitlines()
    if not lines:
        raise InputError(f"'{picture}' is empty")
    heading = [line for line in lines if line.startswith("#")]
    if structured:
        as_json({"picture": picture, "size": size_of(picture), "notes": notes(heading), "config": config_of(picture)})
        return
    for line in lines:
        if not only or not line.startswith("#"):
            click.echo(printable(line))


def notes(heading: list[str]) -> list[str]:
    """The comments, without their marks."""
    return [printable(line.removeprefix("#").removeprefix(" ")) for line in heading]


def config_of(picture: str) -> object:
    """The config as plain values.

    Raises:
        InputError: it cannot be read.
    """
    from clipig_core.kit import read_file

    return read_file(picture).plain_value()


def size_of(picture: str) -> list[int] | None:
    """Width and height; None if the file is no picture."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(picture) as image:
            return [image.width, image.height]
    except UnidentifiedImageError:
        return None
