"""`clipig enlarge`: the same picture with more pixels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clipig_commands.common import call, plan_of
from clipig_core import InputError
from clipig_core.kit import SettingsCommand, files, read_file, rewritten, run_options

if TYPE_CHECKING:
    from clipig_core.kit import Plan, Use

LAST = 0.3
"""Part of the run that is done again: where schedules have become small, so that shapes stay and details grow."""


@click.command(cls=SettingsCommand, without=("resolution", "start_epoch"))
@click.argument("picture", shell_complete=files)
@click.option("--to", "side", type=click.IntRange(16, 16384), required=True, help="Pixels of the longer side.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Any parameter: targets.0.weight=2.")
@run_options
@click.pass_context
def enlarge(ctx: click.Context, /, picture: str, side: int, changes: tuple[str, ...], **others: Any) -> None:
    """Go on from PICTURE, which clipig made, with more pixels.

    The enlarged pixels are trained by the last third of the picture's own run, in which steps are small, so that it
    stays the same picture, and gets details. Lengths that are pixels, such as the window of `blur`, grow with it. What
    the steps of `finish` did is in it already, and not done again.

    \b
    clipig enlarge fox.png --to 1024
    clipig enlarge fox.png --to 512 -lr .5 --out webp
    """  # noqa: D301 - click wants the backspace
    from PIL import Image, UnidentifiedImageError

    config = read_file(picture)
    try:
        with Image.open(picture) as image:
            size = image.size
    except UnidentifiedImageError:
        raise InputError(f"'{picture}' is no picture; only one with its config inside can be enlarged") from None
    if side <= max(size):
        raise InputError(f"--to {side}: the picture has {size[0]}x{size[1]} pixels already")
    plan = plan_of(ctx, [config], {"epochs": others["epochs"]}, changes=changes)
    width, height = (max(1, round(pixels * side / max(size))) for pixels in size)
    epochs = plan.settings.fixed.epochs
    settings: dict[str, Any] = {
        "init": {"image": "{{picture}}"},
        "resolution": [width, height],
        "start_epoch": min(epochs - 1, round(epochs * (1 - LAST))),
        "finish": [],
    }
    settings |= lengths(plan, side / max(size))
    args = [picture, f"--var=picture={Path(picture).absolute()}"]  # no text of a variable is read as another one
    args += (f"--set={name}={json.dumps(value)}" for name, value in settings.items())
    call(ctx, "run", [*args, *rewritten(ctx, without=("side",))])


def lengths(plan: Plan, factor: float) -> dict[str, Any]:
    """The lengths in pixels of a plan, by their paths, as they are in a picture that is so many times as large.

    Shares and expressions follow the picture by themselves; what a model is shown keeps its size.
    """
    found: dict[str, Any] = {}
    for path, use in placed(plan):
        for name, value in use.values.items():
            if value.declaration.param.length and value.constant and value.fixed is not None:
                scaled = (
                    [length * factor for length in value.fixed] if value.declaration.lengths else value.fixed * factor
                )
                found[f"{path}.{use.name}.{name}"] = rounded(scaled) if value.declaration.type.whole else scaled
    return found


def rounded(value: Any) -> Any:
    """Whole numbers."""
    return [round(each) for each in value] if isinstance(value, list) else round(value)


def placed(plan: Plan) -> Iterator[tuple[str, Use]]:
    """The transforms that keep the size, and the constraints, by their paths in the config of a picture."""
    for number, target in enumerate(plan.targets):
        uses = {"transforms": target.transforms, "constraints": [each.use for each in target.constraints]}
        for key, listed in uses.items():
            yield from (
                (f"targets.{number}.{key}.{i}", use) for i, use in enumerate(listed) if not use.component.resizes
            )
    for number, stage in enumerate(plan.postproc):
        yield from ((f"postproc.{number}", use) for use in stage.transforms)
