"""Curves of loss and similarities, drawn with Pillow."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from PIL import Image, ImageDraw, ImageFont

from clipig_core import Ints2, Param
from clipig_core.kit import Background, Result, Run, Step, save
from clipig_outputs.formats import encode
from clipig_outputs.log import measured

MOST = 1000
"""Epochs that are kept of a run; of one with more, every second, third, ..."""

SCALE = 2
"""Drawn larger and made smaller, lines are smooth."""

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555")
"""Okabe and Ito's, which colour-blind people can tell apart: https://jfly.uni-koeln.de/color/."""

INK, GRID, PAPER = "#333333", "#dddddd", "white"

Curves = dict[str, list[tuple[float, float]]]
Panel = tuple[int, int, int, int]


def plot(
    target_file: Path, size: Annotated[Ints2, Param("Width and height in pixels.", min=200, max=8192)] = (800, 600)
) -> Plot:
    """Curves of the losses, and of the similarities of features, over the epochs, as NAME-plot.png.

    Example: 1200 800
    """
    return Plot(Path(f"{target_file}-plot.png"), size)


class Plot:
    """An observer that gathers numbers, and draws them in the end."""

    def __init__(self, file: Path, size: tuple[int, int]) -> None:
        self.file, self.files, self.size = file, [file], size
        self.losses: Curves = {}
        self.similarities: Curves = {}
        self.background = Background(self.gather, room=1000)

    def begin(self, run: Run) -> None:
        self.run = run
        self.every = -(-run.total // MOST)

    def step(self, step: Step) -> None:
        if step.epoch % self.every == 0 or self.run.complete:
            self.background.put(step)

    def end(self, result: Result) -> None:
        self.background.finish()
        panels = [("loss", self.losses), ("similarity", self.similarities)]
        drawn = draw(self.size, [(title, curves) for title, curves in panels if curves], result.run.epochs)
        save(self.file, encode(drawn, "png", 100))

    def gather(self, step: Step) -> None:
        found = measured(step, 0.0, self.run.resolution)
        self.losses.setdefault("loss", []).append((step.epoch, found["loss"]))
        for target in found["targets"]:
            for part in target["parts"]:
                name = f"{target['name']}: {part['name']}"
                weighted = target["weight"] * part["weight"] * part["loss"] * part["count"]
                self.losses.setdefault(name, []).append((step.epoch, weighted))
                if part["similarity"] is not None:
                    self.similarities.setdefault(name, []).append((step.epoch, part["similarity"]))


def draw(size: tuple[int, int], panels: Sequence[tuple[str, Curves]], epochs: int) -> Image.Image:
    """Panels above one another, over the same epochs."""
    width, height = (side * SCALE for side in size)
    image = Image.new("RGB", (width, height), PAPER)
    canvas = ImageDraw.Draw(image)
    font = ImageFont.load_default(12 * SCALE)
    names = dict.fromkeys(name for _, curves in panels for name in curves)
    colors = dict(zip(names, itertools.cycle(COLORS), strict=False))
    for number, (title, curves) in enumerate(panels):
        top, bottom = height * number // len(panels), height * (number + 1) // len(panels)
        _panel(canvas, font, (0, top, width, bottom), title, curves, epochs, colors)
    return image.resize(size, Image.Resampling.BOX)


def _panel(
    canvas: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    place: Panel,
    title: str,
    curves: Curves,
    epochs: int,
    colors: Mapping[str, str],
) -> None:
    """One panel: axes with numbers, curves, and what they are."""
    em = round(font.getlength("m"))
    left, top, right, bottom = place[0] + 6 * em, place[1] + 2 * em, place[2] - 16 * em, place[3] - 3 * em
    values = [value for curve in curves.values() for _, value in curve]
    low, high = _apart(min(values), max(values))

    def at(epoch: float, value: float) -> tuple[float, float]:
        x = left + (right - left) * epoch / max(1, epochs - 1)
        return x, bottom - (bottom - top) * (value - low) / (high - low)

    for value in ticks(low, high):
        canvas.line([at(0, value), at(epochs - 1, value)], GRID, SCALE)
        canvas.text((left - em / 2, at(0, value)[1]), f"{value:g}", INK, font, "rm")
    for epoch in ticks(0, max(1, epochs - 1)):
        canvas.text((at(epoch, low)[0], bottom + em / 2), f"{epoch:g}", INK, font, "ma")
    canvas.text((left, top - em / 2), title, INK, font, "ls")
    for number, (name, curve) in enumerate(curves.items()):
        canvas.line([at(*point) for point in curve], colors[name], 2 * SCALE, "curve")
        line = top + (number + 0.5) * 1.5 * em
        if line < bottom:
            canvas.text((right + em, line), name[:24], colors[name], font, "lm")


def ticks(low: float, high: float) -> Iterable[float]:
    """Some round numbers between two others, with the same distance: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if (high - low) / step <= 6)
    first = math.ceil(low / step)
    return [number * step for number in range(first, math.floor(high / step) + 1)]


def _apart(low: float, high: float) -> tuple[float, float]:
    """Limits of an axis; a line that does not move has some room, too."""
    return (low, high) if high - low > 1e-9 * max(1.0, abs(high)) else (low - 0.5, high + 0.5)
