"""The picture in other formats than PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from torch import Tensor

from clipig_core import Param
from clipig_core.kit import Background, Result, Rhythm, Run, Step, inside, save, to_image
from clipig_outputs.formats import Quality, encode, need

Every = Annotated[
    int | float, Param("Also during the run: every so many epochs (int) or seconds (float); 0 never.", min=0)
]


def jpeg(target_file: Path, quality: Quality = 90, every: Every = 0) -> Still:
    """The picture as NAME.jpg, with the config in its EXIF data.

    Example: 80
    """
    return Still(target_file, "jpg", quality, every)


def webp(target_file: Path, quality: Quality = 85, every: Every = 0) -> Still:
    """The picture as NAME.webp, with the config in its EXIF data.

    Example: 75
    """
    return Still(target_file, "webp", quality, every)


def avif(target_file: Path, quality: Quality = 75, every: Every = 0) -> Still:
    """The picture as NAME.avif, with the config in its EXIF data.

    Example: 60
    """
    return Still(target_file, "avif", quality, every)


class Still:
    """An observer that writes the picture to one file, now and then and in the end."""

    def __init__(self, target_file: Path, suffix: str, quality: int, every: int | float) -> None:
        need(suffix)
        self.file = Path(f"{target_file}.{suffix}")
        self.files = [self.file]
        self.quality = quality
        self.rhythm = Rhythm(every)
        self.background = Background(self.write, room=1)

    def begin(self, run: Run) -> None:
        self.run = run

    def step(self, step: Step) -> None:
        if self.rhythm.due(self.run.done):
            self.background.put((step.image, ""))

    def end(self, result: Result) -> None:
        self.background.put((result.image, inside(self.run, result.image)))
        self.background.finish()

    def write(self, picture: tuple[Tensor, str]) -> None:
        image, text = picture
        save(self.file, encode(to_image(image), self.file.suffix[1:], self.quality, text))
