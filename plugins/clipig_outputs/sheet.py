"""A contact sheet of how the picture grows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

from PIL import Image
from torch import Tensor

from clipig_core import Param
from clipig_core.kit import Background, Result, Run, Step, contact_sheet, save, thumbnail, to_image
from clipig_outputs.formats import Format, Quality, encode, need


def sheet(
    target_file: Path,
    moments: Annotated[int, Param("Number of pictures, the result among them.", min=2, max=400)] = 9,
    columns: Annotated[int | None, Param("Pictures in a row; if not given, about as many as rows.", min=1)] = None,
    size: Annotated[int, Param("Pixels of the longer side of each picture.", min=16, max=2048)] = 160,
    format: Annotated[Format, Param("Format of the sheet.")] = "png",
    quality: Quality = 90,
) -> Sheet:
    """Moments of the run, side by side with their epoch and similarity, as NAME-sheet.png.

    Example: {moments: 12, columns: 4}
    """
    need(format)
    return Sheet(Path(f"{target_file}-sheet.{format}"), moments, columns, size, quality)


class Sheet:
    """An observer that keeps small pictures of moments with the same distance, the first pixels among them."""

    def __init__(self, file: Path, moments: int, columns: int | None, size: int, quality: int) -> None:
        self.file, self.files = file, [file]
        self.gaps, self.columns, self.size, self.quality = moments - 1, columns, size, quality
        self.kept: list[tuple[Image.Image, str]] = []
        self.background = Background(self.keep)

    def begin(self, run: Run) -> None:
        self.run = run
        self.passed = 0
        self.background.put((run.image, run.epoch, None))

    def step(self, step: Step) -> None:
        before, self.passed = self.passed, math.floor(self.gaps * self.run.done / self.run.total)
        if self.passed > before and not self.run.complete:
            self.background.put((step.image, self.run.epoch, step))

    def end(self, result: Result) -> None:
        self.background.put((result.image, self.run.epoch, result))
        self.background.finish()
        pictures, captions = zip(*self.kept, strict=True)
        drawn = contact_sheet(pictures, captions, self.columns, self.size)
        save(self.file, encode(drawn, self.file.suffix[1:], self.quality))

    def keep(self, moment: tuple[Tensor, int, Step | Result | None]) -> None:
        image, epoch, source = moment
        similarity = source.similarity if source else None
        caption = f"epoch {epoch}" if similarity is None else f"epoch {epoch}: {similarity:.1f}"
        self.kept.append((thumbnail(to_image(image), self.size), caption))
