"""The output `checkpoint`."""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path
from typing import Annotated

from clipig_checkpoint.file import SUFFIX, Checkpoint, machine
from clipig_core import Param, RunError
from clipig_core.kit import Observer, Result, Run, Step, save

log = logging.getLogger("clipig")

SHARE = 20
"""Checkpoints that take long are written less often, so that they take at most this part of the time."""


def checkpoint(
    target_file: Path,
    interval: Annotated[int | float, Param("Epochs (int) or seconds (float) between two of them.", min=0)] = 180.0,
    keep: Annotated[bool, Param("Leave it behind a run that came to its end, too, to make that one longer.")] = False,
) -> CheckpointFile:
    """Writes now and then, and when the run is interrupted or fails, what 'clipig resume' needs to go on from there.

    The pixels in full precision, the optimizer's memory, counters and the whole config stand in `NAME.checkpoint`. A
    run that came to its end takes its checkpoint away. One that cannot be written is a warning, as there will be
    another. With an interval of 0 there is only that of the end.

    Example: {interval: 60.0}
    """
    return CheckpointFile(target_file.with_name(target_file.name + SUFFIX), interval, keep)


class CheckpointFile(Observer):
    """Writes one file again and again."""

    def __init__(self, path: Path, interval: int | float, keep: bool) -> None:
        self.path, self.interval, self.keep = path, interval, keep
        self.files = [path]
        self._written = False

    def begin(self, run: Run) -> None:
        self.run = run
        self._written = self.path.exists()
        if (
            self._written
        ):  # that of a run that is gone on with, perhaps with outputs whose files are its own from now on
            self._write()
        self._next = time.monotonic() + self.interval

    def step(self, step: Step) -> None:
        if self.run.complete:
            return
        if isinstance(self.interval, int):
            if self.interval and step.run.done % self.interval == 0:
                self._write()
        elif self.interval and time.monotonic() >= self._next:
            began = time.monotonic()
            self._write()
            taken = time.monotonic() - began
            self._next = time.monotonic() + max(self.interval, SHARE * taken)

    def end(self, result: Result) -> None:
        """Raises nothing: whoever wants the picture shall have it."""
        if not self.run.complete or result.error:
            if self._write():
                log.warning("to go on: clipig resume %s", self.path.with_suffix(".png"))
        elif self.keep:
            self._write()
        elif self._written:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)

    def _write(self) -> bool:
        try:
            content = Checkpoint(self.path, self.run.plan.dump(), self.run.state_dict(), machine(self.run))
            save(self.path, content.to_bytes())
            self._written = True
        except RunError as error:
            log.warning("no checkpoint was written: %s", error)
            return False
        return True
