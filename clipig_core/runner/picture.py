"""The picture as a PNG file, saved now and then and in the end, with its config inside and beside it."""

from __future__ import annotations

import logging

from torch import Tensor

from clipig_core.engine.run import Run, Step
from clipig_core.errors import RunError
from clipig_core.imaging.images import to_png
from clipig_core.runner.background import Background, Rhythm
from clipig_core.runner.execute import Observer, Result
from clipig_core.runner.files import Output
from clipig_core.runner.provenance import provenance

log = logging.getLogger("clipig")


class PictureFile(Observer):
    """Writes `output` from a thread of its own, so that the run waits for no compression and no disk.

    Snapshots come after the first epoch and then every `interval` epochs (int) or seconds (float); 0 is never. One that
    cannot be written is a warning, as there will be another. If the last one cannot, it goes to the next best place,
    and `output` is then that one.
    """

    def __init__(self, output: Output, interval: int | float) -> None:
        self.output = output
        self._rhythm = Rhythm(interval)
        self._snapshots = Background(self._snapshot, room=1)

    def begin(self, run: Run) -> None:
        self.run = run

    def step(self, step: Step) -> None:
        if self._rhythm.due(self.run.done) and not self.run.complete:
            image = step.image
            self._snapshots.put((image, provenance(self.run, image)))

    def end(self, result: Result) -> None:
        """Raises RunError if the picture cannot be written where it was wanted."""
        self._snapshots.finish()
        content = self._content(result.image, provenance(self.run, result.image))
        try:
            self.output.save(*content)
        except RunError as error:
            self.output = self.output.save_elsewhere(*content)
            raise RunError(f"{error}; the picture is '{self.output.image}'") from None

    def close(self) -> None:
        """Wait for what is being written, and give up the name."""
        self._snapshots.finish()
        self.output.release()

    def _snapshot(self, snapshot: tuple[Tensor, str]) -> None:
        try:
            self.output.save(*self._content(*snapshot))
        except Exception as error:  # whatever it is: the run goes on, and its picture is saved in the end
            log.warning("a snapshot was lost: %s", error)

    def _content(self, image: Tensor, text: str) -> tuple[bytes, bytes]:
        return to_png(image, text if self.run.plan.settings.fixed.metadata else ""), text.encode()
