"""The picture as a PNG file, saved now and then and in the end, with its config inside and beside it."""

from __future__ import annotations

import logging

from torch import Tensor

from clipig_core.engine.run import Run, Step
from clipig_core.errors import RunError
from clipig_core.imaging.images import to_png
from clipig_core.runner.background import Background, Rhythm
from clipig_core.runner.execute import Observer, Result
from clipig_core.runner.files import Output, save
from clipig_core.runner.provenance import provenance

log = logging.getLogger("clipig")


class PictureFile(Observer):
    """Writes `output` from a thread of its own, so that the run waits for no compression and no disk.

    Snapshots come after the first epoch and then every `interval` epochs (int) or seconds (float); 0 is never. One that
    cannot be written is a warning, as there will be another. Names that were claimed and never written are given back.
    """

    def __init__(self, output: Output, interval: int | float) -> None:
        self.output = output
        self.saved = False
        """Whether the picture of the end of the run was written."""
        self._rhythm = Rhythm(interval)
        self._snapshots = Background(self._snapshot, room=1)

    def begin(self, run: Run) -> None:
        self.run = run

    def step(self, step: Step) -> None:
        if self._rhythm.due(self.run.done) and not self.run.complete:
            image = step.image
            self._snapshots.put((image, provenance(self.run, image)))

    def end(self, result: Result) -> None:
        """Raises RunError if the picture cannot be written."""
        self._snapshots.finish()
        self._write(result.image, provenance(self.run, result.image))
        self.saved = True

    def close(self) -> None:
        """Wait for what is being written, and give up names that were not used."""
        self._snapshots.finish()
        self.output.release()

    def _snapshot(self, snapshot: tuple[Tensor, str]) -> None:
        try:
            self._write(*snapshot)
        except RunError as error:
            log.warning("a snapshot was lost: %s", error)

    def _write(self, image: Tensor, text: str) -> None:
        png = to_png(image, {"clipig": text} if self.run.plan.settings.fixed.metadata else {})
        save(self.output.image, png)
        save(self.output.config, text.encode())
