"""Losses, similarities and pictures for TensorBoard."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated, Any

from clipig_core import Param
from clipig_core.kit import Background, Result, Rhythm, Run, Step
from clipig_outputs.log import measured


def tensorboard(
    target_file: Path,
    every: Annotated[int | float, Param("Numbers every so many epochs (int) or seconds (float).", above=0)] = 1,
    pictures: Annotated[int | float, Param("Pictures every so many epochs (int) or seconds (float).", above=0)] = 10.0,
) -> Board:
    """Losses, weights, similarities and pictures in the folder NAME-tensorboard, for `tensorboard --logdir`.

    It needs `pip install 'clipig[tensorboard]'`.

    Example: {every: 5, pictures: 50}
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise ValueError("it needs TensorBoard: pip install 'clipig[tensorboard]'")
    return Board(Path(f"{target_file}-tensorboard"), every, pictures)


class Board:
    """An observer that hands everything on to TensorBoard's own writer."""

    def __init__(self, folder: Path, every: int | float, pictures: int | float) -> None:
        self.folder, self.files = folder, [folder]
        self.numbers, self.pictures = Rhythm(every), Rhythm(pictures)
        self.background = Background(self.write, room=1000)
        self.writer: Any = None

    def begin(self, run: Run) -> None:
        self.run = run

    def step(self, step: Step) -> None:
        with_picture = self.pictures.due(self.run.done)
        if self.numbers.due(self.run.done) or with_picture:
            self.background.put((step, self.run.seconds, step.image if with_picture else None))

    def end(self, result: Result) -> None:
        self.background.finish()
        if self.writer:
            self.writer.add_image("picture", result.image[0], result.run.epoch)
            self.writer.close()

    def write(self, moment: tuple[Step, float, Any]) -> None:
        step, seconds, image = moment
        if self.writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(self.folder))
        found = measured(step, seconds, self.run.resolution)
        self.writer.add_scalar("loss", found["loss"], step.epoch)
        for target in found["targets"]:
            for part in target["parts"]:
                for column in ("loss", "weight", "similarity"):
                    if part[column] is not None:
                        tag = f"{column}/{target['name']}/{part['kind']} {part['name']}"
                        self.writer.add_scalar(tag, part[column], step.epoch)
        if image is not None:
            self.writer.add_image("picture", image[0], step.epoch)
