"""A video of how the picture grows."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from PIL import Image, ImageOps
from torch import Tensor

from clipig_core import Ints2, Param, RunError
from clipig_core.kit import Background, Result, Rhythm, Run, Step, inside, to_image
from clipig_outputs.films import Film, Spool, lacking, open_film
from clipig_outputs.formats import Quality

SECONDS = 10.0
GIF_FPS = 50
"""A GIF counts in hundredths of a second, and players slow down those that show a frame for one of them."""


def video(
    target_file: Path,
    format: Annotated[
        Literal["webp", "gif", "avif", "mp4", "webm"], Param("The file's suffix; mp4 and webm need 'clipig[video]'.")
    ] = "webp",
    fps: Annotated[float, Param("Frames a second.", min=0.1, max=240)] = 25.0,
    seconds: Annotated[
        float | None, Param("How long a whole run takes in the video; 10 unless 'every' is given.", above=0, max=3600)
    ] = None,
    every: Annotated[
        int | float | None,
        Param("A frame every so many epochs (int) or seconds of the run (float), instead of 'seconds'.", above=0),
    ] = None,
    hold: Annotated[float, Param("Seconds for which the result stays.", min=0, max=600)] = 1.0,
    pingpong: Annotated[bool, Param("Then go back to the beginning.")] = False,
    size: Annotated[
        Ints2 | None, Param("Width and height; those of the result, if not given.", min=1, max=16384)
    ] = None,
    quality: Quality = 80,
) -> Video:
    """A video of how the picture grows, as NAME.webp or in another format.

    Example: {format: webp, seconds: 6, pingpong: true}
    """
    if seconds and every:
        raise ValueError("either 'seconds' or 'every' says which frames there are")
    if format == "gif" and fps > GIF_FPS:
        raise ValueError(f"a GIF has at most {GIF_FPS} frames a second, so fps: {fps:g} is too many")
    lack = lacking(format)
    if lack:
        raise ValueError(lack)
    timing = Paced(every, fps) if every else Lasting(seconds or SECONDS, fps)
    return Video(Path(f"{target_file}.{format}"), timing, fps, hold, pingpong, size, quality)


class Paced:
    """A frame whenever it is time, each shown as long as the others."""

    def __init__(self, every: int | float, fps: float) -> None:
        self.rhythm, self.shown, self.taken = Rhythm(every), 1 / fps, 0

    def at(self, done: int, _total: int) -> float | None:
        """The second from which on a frame is shown, or None if there is none now."""
        if not self.rhythm.due(done):
            return None
        self.taken += 1
        return self.taken * self.shown


class Lasting:
    """As many frames as fit into some seconds, spread over the run."""

    def __init__(self, seconds: float, fps: float) -> None:
        self.seconds, self.fps, self.slot = max(0.0, seconds - 1 / fps), fps, 0

    def at(self, done: int, total: int) -> float | None:
        """The second from which on a frame is shown, or None if the one before is shown then, too."""
        second = self.seconds * done / total
        before, self.slot = self.slot, math.floor(second * self.fps + 1e-6)
        return second if self.slot > before else None


@dataclass
class Video:
    """An observer that encodes frames while the run goes on. The first pixels are the first of them."""

    file: Path
    timing: Paced | Lasting
    fps: float
    hold: float
    pingpong: bool
    size: tuple[int, int] | None
    quality: int

    def __post_init__(self) -> None:
        self.files = [self.file]
        self.background = Background(self.add)
        self.film: Film | None = None
        self.spool: Spool | None = None
        self.last = -1 / self.fps
        """The second from which on the last frame is shown."""

    def begin(self, run: Run) -> None:
        self.run, self.begun, self.before = run, run.epoch, run.done
        self.canvas = self.size or run.resolution_in(run.epochs - 1)
        self.text = inside(run, run.image)
        self.first: Tensor | None = run.image

    def step(self, step: Step) -> None:
        at = None if self.run.complete else self._due()
        if at is None:
            return
        if self.first is not None:
            self.background.put((self.first, 0.0))
            self.first = None
        self.background.put((step.image, at))
        self.last = at

    def end(self, result: Result) -> None:
        """Show the result, and finish the file.

        Raises:
            RunError: the disk is full; what could be written can be played.
        """
        at = self._due() or self.last + 1 / self.fps
        self.background.put((result.image, at))
        self.background.finish()
        if self.film:
            end = at + 1 / self.fps + self.hold
            if self.spool:
                with self._writing(self.film):
                    end = self._back(self.film, self.spool, end)
            self._finish(self.film, end)

    def add(self, frame: tuple[Tensor, float]) -> None:
        """Encode a frame; the first one opens the file."""
        image, at = to_image(frame[0]), frame[1]
        if image.size != self.canvas:
            image = ImageOps.pad(image, self.canvas, Image.Resampling.BICUBIC)
        if not self.film:
            self.file = next(file for file in self._names() if not os.path.lexists(file))
            self.film = open_film(self.file, self.canvas, self.fps, self.quality, self.text)
            self.spool = Spool(self.file.parent) if self.pingpong else None
        with self._writing(self.film):
            self.film.add(image, at)
            if self.spool:
                self.spool.add(image, at)

    def _names(self) -> Iterator[Path]:
        """The file, and where that holds the part of this run before it was resumed, other names for the rest."""
        yield self.file
        resumed = f"{self.file.stem}-from{self.begun}"
        yield self.file.with_stem(resumed)
        yield from (self.file.with_stem(f"{resumed}-{number}") for number in itertools.count(1))

    def _due(self) -> float | None:
        """The second of the video for this moment, if it needs a frame now; it begins where a resumed run does."""
        return self.timing.at(self.run.done - self.before, self.run.total)

    def _back(self, film: Film, spool: Spool, end: float) -> float:
        """Show all frames again, from the last to the first, without these two; the second in which that ends."""
        with contextlib.closing(spool):
            *_, last = spool.times
            for number in range(len(spool.times) - 2, 0, -1):
                film.add(spool.frame(number), end + last - spool.times[number + 1])
            return end + last - spool.times[min(1, len(spool.times) - 1)]

    @contextlib.contextmanager
    def _writing(self, film: Film) -> Iterator[None]:
        """What cannot be written ends the film, not the run."""
        try:
            yield
        except OSError as error:
            self.film = None
            with contextlib.suppress(RunError):
                self._finish(film, self.last + 1 / self.fps)
            raise self._failure(error) from None

    def _finish(self, film: Film, at: float) -> None:
        try:
            film.end(at)
        except OSError as error:
            raise self._failure(error) from None

    def _failure(self, error: OSError) -> RunError:
        return RunError(f"'{self.file}' ends early: {error.strerror or error}")
