"""What people see of a run: a bar with rate, time left, loss and similarity, or a line now and then."""

from __future__ import annotations

import contextlib
import sys
import time

import click
from tqdm import tqdm

from clipig_core.engine.run import Run, Step
from clipig_core.errors import printable
from clipig_core.runner.execute import Observer, Result
from clipig_core.runner.provenance import summary

BAR_SECONDS = 0.2
LINE_SECONDS = 10.0


class ProgressBar(Observer):
    """Follows a run on stderr; `verbose` 0 says nothing, 1 shows progress, 2 statistics in the end, too."""

    def __init__(self, name: str, verbose: int) -> None:
        self.name, self.verbose = name, verbose
        self._terminal = bool(sys.stderr and not sys.stderr.closed and sys.stderr.isatty())
        self._shown = 0.0

    def begin(self, run: Run) -> None:
        self.run = run
        hidden = self.verbose < 1 or not self._terminal
        self.bar = tqdm(total=run.total, desc=printable(self.name), unit="epoch", leave=False, disable=hidden)

    def step(self, step: Step) -> None:
        now = time.monotonic()
        pause = BAR_SECONDS if self._terminal else LINE_SECONDS
        if not self.verbose or (now - self._shown < pause and not self.run.complete):
            return
        self._shown = now
        state = f"loss {step.loss:.4f}{similarities(step)}"
        if self._terminal:
            self.bar.set_postfix_str(state, refresh=False)
            self.bar.update(self.run.done - self.bar.n)
        else:
            rate = self.run.done / max(1e-9, self.run.seconds)
            left = (self.run.epochs - 1 - step.epoch) / rate
            say(f"epoch {step.epoch + 1}/{self.run.epochs}, {rate:.2f}/s, {left:.0f} s left, {state}")

    def end(self, result: Result) -> None:
        self.bar.close()
        if result.stopped:
            say(f"interrupted after {self.run.done} of {self.run.total} epochs")
        if self.verbose > 1:
            say("\n".join(map(printable, summary(self.run, result.image))))


def similarities(step: Step) -> str:
    """The similarity of the views, of each target that has features, if there are several."""
    found = [(target.name, target.similarity.mean().item()) for target in step.targets if target.similarity is not None]
    if len(found) > 1:
        return ", similarity " + ", ".join(f"{printable(name)} {mean:.1f}" for name, mean in found)
    return f", similarity {found[0][1]:.2f}" if found else ""


def say(text: str) -> None:
    """Print to stderr. A picture does not depend on somebody listening."""
    with contextlib.suppress(OSError, ValueError):
        click.echo(text, err=True)
