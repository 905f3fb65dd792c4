"""Pictures in terminals: as coloured half blocks, by the graphics protocol of kitty, or as sixels.

https://sw.kovidgoyal.net/kitty/graphics-protocol/, https://vt100.net/docs/vt3xx-gp/chapter14.html
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import select
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from clipig_outputs.formats import encode

ASK = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"
"""Does it know kitty's protocol, and what else can it do? Every terminal answers the second question."""

REPEATED = re.compile(r"(.)\1{3,}")

SHADES = " ░▒▓█"
CUBE = np.array([0, 95, 135, 175, 215, 255])
"""The levels of each of red, green and blue, of which xterm has all combinations."""

PATIENCE = 0.5
CELL = (10, 20)
"""Pixels of a character, about."""


def draw(image: Image.Image, mode: str, columns: int, rows: int) -> tuple[str, int]:
    """What makes a terminal show a picture within some cells, and how many lines that takes.

    It begins at the left and ends at the beginning of the line below.
    """
    if mode == "blocks":
        small = _within(image, columns, 2 * rows)
        return blocks(small), -(-small.height // 2)
    small = _within(image, columns * CELL[0], rows * CELL[1])
    lines = -(-small.height // CELL[1])
    drawn = kitty(small, lines) if mode == "kitty" else sixels(small)
    # Where the cursor is behind a picture differs between terminals.
    return "\n" * lines + f"\x1b[{lines}A\x1b7{drawn}\x1b8\x1b[{lines}B", lines


def blocks(image: Image.Image, colors: str = "") -> str:
    """Two pixels in each character: the upper half has the colour of the text, the lower that of the background.

    `colors` are those of `palette()`, which is asked if it is not given; without any, the brightness is shown.
    """
    pixels = np.asarray(image)
    pixels = np.pad(pixels, ((0, len(pixels) % 2), (0, 0), (0, 0)), mode="edge")
    colors = colors or palette()
    if colors == "none":
        shades = np.array([*SHADES])[(pixels[::2] / 2 + pixels[1::2] / 2).mean(-1).astype(int) * len(SHADES) // 256]
        return "".join("".join(line) + "\n" for line in shades.tolist())
    if colors == "true":
        codes = [[f"2;{red};{green};{blue}" for red, green, blue in row] for row in pixels.tolist()]
    else:
        codes = [[f"5;{number}" for number in row] for row in numbered(pixels).tolist()]
    lines = []
    for upper, lower in zip(codes[::2], codes[1::2], strict=True):
        cells = (f"\x1b[38;{above};48;{below}m▀" for above, below in zip(upper, lower, strict=True))
        lines.append("".join(cells) + "\x1b[0m\n")
    return "".join(lines)


def palette() -> str:
    """The colours that the terminal has: `true` for all, 256, or `none` if its user wants none.

    Terminals say that they know all by `COLORTERM`, as those that do not show wrong ones.
    """
    if os.environ.get("NO_COLOR"):
        return "none"
    return "true" if os.environ.get("COLORTERM") in ("truecolor", "24bit") else "256"


def numbered(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The nearest of xterm's colours 16 to 255, a cube and a row of grays, to each pixel [..., 3]."""
    wanted = pixels.astype(int)
    cube = np.abs(wanted[..., None] - CUBE).argmin(-1)
    gray = ((wanted.mean(-1) - 3) / 10).clip(0, 23).astype(int)
    distances = [((found - wanted) ** 2).sum(-1) for found in (CUBE[cube], 8 + 10 * gray[..., None])]
    nearest: np.ndarray[Any, Any] = np.where(distances[1] < distances[0], 232 + gray, 16 + cube @ [36, 6, 1])
    return nearest


def kitty(image: Image.Image, lines: int) -> str:
    """As a PNG in pieces of 4096 characters, of which all but the last say that there are more."""
    data = base64.b64encode(encode(image, "png", 100)).decode()
    pieces = [data[start : start + 4096] for start in range(0, len(data), 4096)]
    head = f"a=T,f=100,q=2,C=1,i=31,p=1,r={lines},"
    return "".join(
        f"\x1b_G{head if not number else ''}m={int(number < len(pieces) - 1)};{piece}\x1b\\"
        for number, piece in enumerate(pieces)
    )


def sixels(image: Image.Image) -> str:
    """With 255 colours of its own, in bands of six rows; runs of the same character are counted."""
    palette = image.quantize(255, Image.Quantize.MEDIANCUT)
    colors = np.array(palette.getpalette()).reshape(-1, 3) * 100 // 255
    numbers = np.asarray(palette)
    text = [f'\x1bPq"1;1;{image.width};{image.height}']
    text += [f"#{number};2;{red};{green};{blue}" for number, (red, green, blue) in enumerate(colors.tolist())]
    for top in range(0, image.height, 6):
        band = numbers[top : top + 6]
        weights = (1 << np.arange(len(band)))[:, None]
        for number in np.unique(band).tolist():
            row = bytes((((band == number) * weights).sum(0) + 63).astype(np.uint8).tolist()).decode()
            text.append(f"#{number}{REPEATED.sub(_counted, row)}$")
        text.append("-")
    return "".join(text) + "\x1b\\"


def best() -> str:
    """What the terminal of this process knows best: kitty, sixel or blocks."""
    answer = ask()
    if "_Gi=31;OK" in answer:
        return "kitty"
    attributes = re.search(r"\x1b\[\?([\d;]+)c", answer)
    return "sixel" if attributes and "4" in attributes[1].split(";") else "blocks"


def ask() -> str:
    """What the terminal answers to the questions; nothing if it cannot be asked, or not by us."""
    with contextlib.suppress(ImportError, OSError), _raw() as terminal:
        os.write(terminal, ASK)
        answer, end = b"", time.monotonic() + PATIENCE
        while not re.search(rb"\x1b\[\?[\d;]*c", answer):
            if not select.select([terminal], [], [], max(0.0, end - time.monotonic()))[0]:
                break
            answer += os.read(terminal, 1024)
        return answer.decode("latin-1")
    return ""


@contextlib.contextmanager
def _raw() -> Iterator[int]:
    """The terminal of this process, which for a moment neither shows nor waits for lines.

    Raises:
        ImportError, OSError: there is none, or it is that of another process now.
    """
    import termios
    import tty

    terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    try:
        if os.tcgetpgrp(terminal) != os.getpgrp():
            raise OSError("in the background")
        before = termios.tcgetattr(terminal)
        try:
            tty.setcbreak(terminal, termios.TCSANOW)
            yield terminal
        finally:
            termios.tcsetattr(terminal, termios.TCSANOW, before)
    finally:
        os.close(terminal)


def _within(image: Image.Image, width: int, height: int) -> Image.Image:
    """A picture scaled to fit, with its proportions; cells of half blocks are about square."""
    scale = min(width / image.width, height / image.height)
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.BOX)


def _counted(found: re.Match[str]) -> str:
    return f"!{len(found[0])}{found[1]}"
