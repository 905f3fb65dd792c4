"""The sheet of a sweep: all pictures at their places along the axes, as one picture."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

from clipig_sweep.axes import Grid

CELL, SMALLEST, GAP, LINE = 192, 24, 4, 16
MAX_PIXELS = 60_000_000

Labels = tuple[str, ...]


def sheet(grids: Sequence[Grid], rows: Sequence[Mapping[str, Any]]) -> bytes | None:
    """A PNG: the last axis runs to the right, the one before it down, and all others are blocks below each other.

    Where there are no axes for all jobs, as with draws, pictures stand side by side under their names. None if no cell
    would be large enough to see.
    """
    (grid, *others) = grids
    axes = [axis.keys for axis in grid.axes if len(axis.points) > 1]
    if axes and not others and not grid.draws:
        return _blocks([(_labels(axes, row["parameters"]), row) for row in rows])
    columns = max(1, math.isqrt(len(rows)))
    return _blocks([(("", str(i // columns), str(i % columns)), row) for i, row in enumerate(rows)], captions=True)


def _labels(axes: Sequence[tuple[str, ...]], values: Mapping[str, Any]) -> Labels:
    """What stands at the block, at the row and at the column of a job."""
    found = [", ".join(_label(key, values.get(key)) for key in keys) for keys in axes]
    *blocks, row, column = ["", *found] if len(found) == 1 else found
    return "; ".join(blocks), row, column


def _label(key: str, value: object) -> str:
    return value if isinstance(value, str) else f"{key.rpartition('.')[2]} {value}"


def _blocks(cells: Sequence[tuple[Labels, Mapping[str, Any]]], captions: bool = False) -> bytes | None:
    blocks, lines, columns = ([*dict.fromkeys(labels[i] for labels, _ in cells)] for i in range(3))
    left = 8 * CELL // 12 if any(lines) and not captions else 0
    shape = (len(blocks) * len(lines), len(columns))
    largest = max((max(row.get("width", 0), row.get("height", 0)) for _, row in cells), default=0)
    size = min(CELL, max(largest, CELL // 2), int(math.sqrt(MAX_PIXELS / max(1, shape[0] * shape[1]))) - GAP)
    if size < SMALLEST:
        return None
    step, heading = size + GAP, 2 * LINE
    height = len(lines) * (step + LINE * captions) + heading
    whole = Image.new("RGB", (left + len(columns) * step, len(blocks) * height), "white")
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(12)
    if not captions:
        for b, block in enumerate(blocks):
            draw.text((2, b * height + 1), block, "black", font)
            for c, column in enumerate(columns):
                draw.text((left + c * step, b * height + LINE), _cut(column, step, font), "black", font)
            for r, line in enumerate(lines):
                draw.text((2, b * height + heading + r * step), _cut(line, left, font), "black", font)
    for (block, line, column), row in cells:
        x = left + columns.index(column) * step
        y = blocks.index(block) * height + heading + lines.index(line) * (step + LINE * captions)
        if captions:
            draw.text((x, y - LINE), _cut(row["name"], step, font), "black", font)
        if row.get("thumbnail"):
            whole.paste(_opened(row["thumbnail"], size), (x, y))
        else:
            draw.rectangle((x, y, x + size - 1, y + size - 1), outline="gray")
    file = io.BytesIO()
    whole.save(file, "PNG")
    return file.getvalue()


def _opened(thumbnail: str, size: int) -> Image.Image:
    with Image.open(io.BytesIO(base64.b64decode(thumbnail.partition(",")[2]))) as image:
        return ImageOps.contain(image.convert("RGB"), (size, size))


def _cut(text: str, width: int, font: Any) -> str:
    """As much of a text as fits."""
    while text and font.getlength(text) > width - 4:
        text = text[:-2] + "…" if len(text) > 2 else ""
    return text
