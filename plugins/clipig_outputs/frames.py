"""Numbered pictures of the way."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import Annotated

from torch import Tensor

from clipig_core import Param, RunError
from clipig_core.kit import Background, Result, Rhythm, Run, Step, to_image
from clipig_outputs.formats import Format, Quality, encode, need

log = logging.getLogger("clipig")

Every = Annotated[int | float, Param("A picture every so many epochs (int) or seconds (float).", above=0)]


def frames(
    target_file: Path,
    every: Every = 10,
    format: Annotated[Format, Param("Format of the pictures.")] = "png",
    quality: Quality = 90,
) -> Frames:
    """Pictures of the way, in a folder NAME-frames; their numbers count epochs.

    Example: {every: 1, when: epoch < 20 or epoch % 20 == 0}
    """
    return Frames(Path(f"{target_file}-frames"), every, format, quality)


class Frames:
    """An observer that writes a picture whenever it is time."""

    def __init__(self, folder: Path, every: int | float, format: str, quality: int) -> None:
        need(format)
        self.folder, self.format, self.quality = folder, format, quality
        self.files = [folder]
        self.rhythm = Rhythm(every)
        self.background = Background(self.write)

    def begin(self, run: Run) -> None:
        self.run = run
        self.digits = len(str(run.epochs))

    def step(self, step: Step) -> None:
        if self.rhythm.due(self.run.done):
            self.background.put((step.epoch + 1, step.image))

    def end(self, result: Result) -> None:
        """The result itself is the last one, even if it is not time for it."""
        self.background.put((result.run.epoch, result.image))
        self.background.finish()
        if self.background.left_out:
            log.warning(
                "%d of the pictures in %s were left out, as the run was faster than the disk",
                self.background.left_out,
                self.folder,
            )

    def write(self, picture: tuple[int, Tensor]) -> None:
        """Raises RunError if it cannot; nothing is left of this picture then."""
        number, image = picture
        file = self.folder / f"{number:0{self.digits}}.{self.format}"
        content = encode(to_image(image), self.format, self.quality)
        try:
            self.folder.mkdir(exist_ok=True)
            file.write_bytes(content)
        except OSError as error:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
                self.folder.rmdir()  # if it is empty
            raise RunError(f"cannot write '{file}': {error.strerror or error}") from None
