"""A contact sheet: several pictures on one, with a caption below each."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

MARGIN = 8
PAPER, INK = "white", "#333333"


def contact_sheet(
    pictures: Sequence[Image.Image], captions: Sequence[str], columns: int | None = None, size: int = 160
) -> Image.Image:
    """All pictures in rows, each scaled to fit into a square of `size` pixels, with its caption on one line below.

    Without `columns`, the sheet is about as wide as it is high. Captions that are too long are cut.
    """
    columns = min(columns or math.ceil(math.sqrt(len(pictures))), len(pictures))
    font = ImageFont.load_default(max(10, size // 12))
    line = math.ceil(font.getbbox("Ég")[3]) + MARGIN // 2
    across, down = size + MARGIN, size + line + MARGIN
    sheet = Image.new("RGB", (columns * across + MARGIN, math.ceil(len(pictures) / columns) * down + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        x, y = MARGIN + number % columns * across, MARGIN + number // columns * down
        small = thumbnail(picture, size)
        sheet.paste(small, (x + (size - small.width) // 2, y + (size - small.height) // 2))
        draw.text((x + size / 2, y + size + MARGIN // 2), _cut(caption, font, size), INK, font, "ma")
    return sheet


def thumbnail(picture: Image.Image, size: int) -> Image.Image:
    """A picture scaled so that it just fits into a square; it keeps its proportions."""
    scale = size / max(picture.size)
    return picture.convert("RGB").resize(
        (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.LANCZOS
    )


def _cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """As much of a text as fits."""
    while text and font.getlength(text) > width:
        text = text[:-2] + "…" if len(text) > 2 else ""
    return text
