"""Driving a run from its first epoch to its result, with those who follow it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from clipig_core.engine.run import Run, Step
from clipig_core.engine.statistics import Row
from clipig_core.errors import ClipigError
from clipig_core.extension.guard import surroundings_kept
from clipig_core.runner.verdict import of_run

log = logging.getLogger("clipig")


class Observer:
    """Follows a run. All methods may be left out; what fails in one ends the observer, not the run."""

    def begin(self, run: Run) -> None:
        """Before the first epoch."""

    def step(self, step: Step) -> None:
        """After each epoch."""

    def end(self, result: Result) -> None:
        """After the last epoch, also if the run was stopped, or failed with a picture to keep."""


@dataclass(repr=False)
class Result:
    """What came of a run: the picture [1, 3, H, W] in [0, 1], and why it ended before its last epoch, if it did."""

    image: Tensor
    run: Run
    stopped: bool = False
    error: ClipigError | None = None
    failures: list[BaseException] = field(default_factory=list)
    """Of observers."""

    @property
    def statistics(self) -> list[Row]:
        """A row for each feature and constraint that took part."""
        return self.run.statistics.rows()

    @property
    def verdict(self) -> list[str]:
        """What the statistics say, in words, and what to try next; empty if there is nothing to say."""
        return of_run(self.run)

    def save(self, path: str | Path) -> Path:
        """Write the picture as PNG with its config inside, so that clipig can read it as a config; returns its path.

        Raises:
            FileExistsError: there is a file of this name; nothing is overwritten.
            RunError: the picture has values that are not finite.
        """
        path = Path(path)
        png = self._repr_png_()
        with path.open("xb") as file:
            file.write(png)
        return path

    def _repr_png_(self) -> bytes:
        from clipig_core.imaging.images import to_png
        from clipig_core.runner.provenance import inside

        return to_png(self.image, inside(self.run, self.image))

    def __repr__(self) -> str:
        width, height = self.run.resolution
        end = f", failed: {self.error}" if self.error else ", stopped" if self.stopped else ""
        loss = "" if self.loss is None else f", loss {self.loss:.4f}"
        similarity = "" if self.similarity is None else f", similarity {self.similarity:.1f}"
        return f"<Result {width}x{height}, {self.run.done} epochs{loss}{similarity}{end}>"

    @property
    def loss(self) -> float | None:
        """Of the last epoch."""
        return self.run.last.loss if self.run.last else None

    @property
    def similarity(self) -> float | None:
        """Of the last epoch, mean over all views and features that took part."""
        return self.run.last.similarity if self.run.last else None


def execute(
    run: Run,
    observers: Iterable[Observer] = (),
    stop: Callable[[], bool] = lambda: False,
    on_step: Callable[[Step], None] | None = None,
) -> Result:
    """Run all epochs that are left, or until `stop()` is true after one of them.

    An error in the middle does not lose the picture: it is in the result, and observers have their `end`. `on_step` is
    the caller's own: it is called after each epoch, and what it raises is raised here.

    Raises:
        ClipigError: the very first epoch failed, so that there is nothing to keep.
    """
    followers = _Followers(observers)
    followers.tell(lambda observer: observer.begin(run))
    stopped, error = False, None
    try:
        for step in run:
            followers.tell(lambda observer, step=step: observer.step(step))  # type: ignore[misc]
            if on_step:
                on_step(step)
            if stop():
                stopped = True
                break
    except ClipigError as failure:
        if not run.done:
            raise
        error = failure
    try:
        image = run.result()
    except ClipigError as failure:
        image, error = run.image, error or failure
    result = Result(image, run, stopped, error, followers.failures)
    followers.tell(lambda observer: observer.end(result))
    return result


class _Followers:
    def __init__(self, observers: Iterable[Observer]) -> None:
        self.observers: Sequence[Observer] = list(observers)
        self.failures: list[BaseException] = []

    def tell(self, what: Callable[[Observer], None]) -> None:
        for observer in [*self.observers]:
            try:
                with surroundings_kept(lambda observer=observer: type(observer).__name__):  # type: ignore[misc]
                    what(observer)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self.failures.append(error)
                self.observers = [other for other in self.observers if other is not observer]
                if not isinstance(error, ClipigError):
                    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
                    log.error("%s failed and is left out: %s", type(observer).__name__, reason)
