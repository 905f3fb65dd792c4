"""What people see of a run: a bar, or a line now and then where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from clipig_cli.terminal import Terminal, cells
from clipig_core.engine.run import Run, Step
from clipig_core.errors import printable
from clipig_core.runner.execute import Observer, Result
from clipig_core.runner.provenance import summary

BAR_SECONDS = 0.2
LINE_SECONDS = 10.0

LEAST_BAR, MOST_BAR = 8, 40


@dataclass(frozen=True)
class Progress:
    """How far a run is: so many of its epochs are done, at so many in a second."""

    name: str
    done: int
    epochs: int
    rate: float
    loss: float
    """As the optimizer has it: the sum over all targets and views."""
    similarities: Sequence[tuple[str, float]] = ()
    """Of each target that has features."""

    @property
    def left(self) -> str:
        """The time that is left."""
        seconds = round((self.epochs - self.done) / max(1e-9, self.rate))
        minutes, hours = seconds // 60, seconds // 3600
        return f"{hours}:{minutes % 60:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"

    @property
    def similarity(self) -> str:
        """Mean similarity of the views; that of each target if there are several."""
        if len(self.similarities) == 1:
            return f"similarity {self.similarities[0][1]:.1f}"
        return ", ".join(f"{printable(name)} {mean:.1f}" for name, mean in self.similarities)

    def bar(self, columns: int, drawing: bool = True) -> str:
        """A line for a terminal, with room for `^C`; what does not fit is left out, the least important first."""
        part = self.done / self.epochs
        left, right = f"{100 * part:3.0f}% ", f" {self.left} left"
        room = columns - 3 - len(left) - len(right)
        for more in (f"{self.done}/{self.epochs}", f"loss {self.loss:.3f}", self.similarity, f"{self.rate:.1f}/s"):
            if more and room - cells(more) - 2 < LEAST_BAR:
                break
            right, room = (f"{right}, {more}", room - cells(more) - 2) if more else (right, room)
        named = f"{self.name}  "
        if room - cells(named) >= LEAST_BAR:
            left, room = named + left, room - cells(named)
        return f"{left}{_bar(part, min(room, MOST_BAR), drawing)}{right}"[: max(1, columns - 3)]

    def line(self) -> str:
        """One line of a file."""
        more = f", {self.similarity}" if self.similarities else ""
        return f"epoch {self.done}/{self.epochs}, {self.rate:.2f}/s, {self.left} left, loss {self.loss:.4f}{more}"


def _bar(part: float, width: int, drawing: bool) -> str:
    full = round(part * max(0, width))
    return ("━" if drawing else "#") * full + ("─" if drawing else "-") * (width - full)


class ProgressBar(Observer):
    """Follows a run; `verbose` 0 says nothing, 1 shows progress, 2 statistics and a verdict in the end, too."""

    def __init__(self, terminal: Terminal, name: str, verbose: int) -> None:
        self.terminal, self.name, self.verbose = terminal, name, verbose
        self._shown = 0.0

    def begin(self, run: Run) -> None:
        self.run, self._began, self._before = run, time.monotonic(), run.done

    def step(self, step: Step) -> None:
        now = time.monotonic()
        pause = BAR_SECONDS if self.terminal.live else LINE_SECONDS
        if not self.verbose or (now - self._shown < pause and not self.run.complete):
            return
        self._shown = now
        found = [(one.name, one.similarity.mean().item()) for one in step.targets if one.similarity is not None]
        rate = (self.run.done - self._before) / max(1e-9, now - self._began)
        state = Progress(printable(self.name), step.epoch + 1, self.run.epochs, rate, step.loss, found)
        if self.terminal.live:
            self.terminal.show(state.bar(self.terminal.columns, self.terminal.drawing))
        else:
            self.terminal.say(state.line())

    def end(self, result: Result) -> None:
        self.terminal.clear()
        seconds = time.monotonic() - self._began
        if result.stopped:
            self.terminal.say(f"interrupted after {self.run.done} of {self.run.total} epochs", "yellow")
        elif self.verbose:
            done = self.run.done - self._before
            self.terminal.say(f"{done} epoch{'' if done == 1 else 's'} in {seconds:.1f} s")
        if self.verbose > 1:
            for line in summary(self.run, result.image):
                self.terminal.fold(printable(line))
