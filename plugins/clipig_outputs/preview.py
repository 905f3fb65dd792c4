"""The picture in the terminal, or in a notebook, while it grows."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from PIL import Image
from torch import Tensor

from clipig_core import Param
from clipig_core.kit import Background, Result, Rhythm, Run, Step, to_image
from clipig_outputs import terminals
from clipig_outputs.formats import encode


def preview(
    target_file: Path,
    every: Annotated[int | float, Param("Every so many epochs (int) or seconds (float).", above=0)] = 0.5,
    size: Annotated[int, Param("Lines of the terminal that it may use.", min=2, max=200)] = 16,
    mode: Annotated[
        Literal["auto", "blocks", "kitty", "sixel"],
        Param("How a terminal is told; auto asks it, and takes coloured half blocks if it knows nothing better."),
    ] = "auto",
) -> Preview:
    """The picture in the terminal, or in a notebook, while it grows; nothing if nobody looks. Writes no file.

    Example: {every: 1.0, size: 24}
    """
    del target_file
    return Preview(Rhythm(every), size, mode)


class Preview:
    """An observer that shows the picture where somebody looks."""

    def __init__(self, rhythm: Rhythm, size: int, mode: str) -> None:
        self.rhythm, self.size, self.mode = rhythm, size, mode
        self.files: list[Path] = []
        self.screen: Screen | Notebook | None = None
        self.background = Background(self.show, room=1)

    def begin(self, run: Run) -> None:
        self.run = run
        self.screen = Notebook.here() or Screen.here(self.size, self.mode)

    def step(self, step: Step) -> None:
        if self.screen and self.rhythm.due(self.run.done):
            self.background.put(step.image)

    def end(self, result: Result) -> None:
        if self.screen:
            self.background.put(result.image)
        self.background.finish()
        if self.screen:
            self.screen.close()

    def show(self, image: Tensor) -> None:
        if self.screen:
            self.screen.show(to_image(image))


class Screen(logging.Handler):
    """A terminal. Each picture is drawn over the one before it, above the line of the progress bar.

    As a handler of messages it notices when something else is written: then the next picture begins below that.
    """

    def __init__(self, stream: Any, size: int, mode: str) -> None:
        super().__init__()
        self.stream, self.size, self.mode = stream, size, mode
        self.above = 0
        """How many lines above the cursor the picture begins that is to be drawn over; 0 if there is none."""
        logging.getLogger("clipig").addHandler(self)

    @classmethod
    def here(cls, size: int, mode: str) -> Screen | None:
        """The terminal that reads what we say, or None if nobody or a plain one does."""
        stream = sys.stderr
        if not stream or stream.closed or not stream.isatty() or os.environ.get("TERM", "dumb") == "dumb":
            return None
        return cls(stream, size, terminals.best() if mode == "auto" else mode)

    def emit(self, _record: logging.LogRecord) -> None:
        self.above = 0

    def show(self, image: Image.Image) -> None:
        columns, lines = os.get_terminal_size(self.stream.fileno())
        rows = max(1, min(self.size, lines - 2))
        drawn, height = terminals.draw(image, self.mode, max(1, columns - 1), rows)
        if self.above == height:
            self.stream.write(f"\x1b7\x1b[{height}A\r{drawn}\x1b8")
        else:
            self.stream.write(f"\r\x1b[2K{drawn}")
        self.stream.flush()
        self.above = height

    def close(self) -> None:
        logging.getLogger("clipig").removeHandler(self)
        super().close()


class Notebook:
    """An output cell, whose picture is replaced."""

    def __init__(self, display: Any, picture: Any) -> None:
        self.picture = picture
        self.handle = display(None, display_id=True)

    @classmethod
    def here(cls) -> Notebook | None:
        """The notebook that runs this, if one does."""
        shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
        if shell is None or not hasattr(shell, "kernel"):
            return None
        from IPython.display import Image as Picture
        from IPython.display import display

        return cls(display, Picture)

    def show(self, image: Image.Image) -> None:
        self.handle.update(self.picture(encode(image, "png", 100)))

    def close(self) -> None:
        """The last picture stays."""
