"""The picture as a PNG file, saved now and then and in the end, with its config inside and beside it."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor

from torch import Tensor

from clipig_core.engine.run import Run, Step
from clipig_core.errors import RunError
from clipig_core.imaging.images import to_png
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
        self.output, self.interval = output, interval
        self._thread = ThreadPoolExecutor(1, "picture")
        self._writing: Future[None] | None = None
        self._saved = float("-inf")

    def begin(self, run: Run) -> None:
        self.run = run

    def step(self, step: Step) -> None:
        if self._due() and not self.run.complete:
            self._saved = time.monotonic()
            self._submit(step.image)

    def end(self, result: Result) -> None:
        """Raises RunError if the picture cannot be written."""
        self._submit(result.image)
        if self._writing:
            self._writing.result()

    def close(self) -> None:
        """Wait for what is being written, and give up names that were not used."""
        self._thread.shutdown()
        self.output.release()

    def _due(self) -> bool:
        if isinstance(self.interval, int):
            return self.interval > 0 and (self.run.done == 1 or self.run.done % self.interval == 0)
        return self.interval > 0 and time.monotonic() - self._saved >= self.interval

    def _submit(self, image: Tensor) -> None:
        if self._writing:
            try:
                self._writing.result()
            except RunError as error:
                log.warning("a snapshot was lost: %s", error)
        self._writing = self._thread.submit(self._write, image, provenance(self.run, image))

    def _write(self, image: Tensor, text: str) -> None:
        png = to_png(image, {"clipig": text} if self.run.plan.settings.fixed.metadata else {})
        save(self.output.image, png)
        save(self.output.config, text.encode())
