"""What outputs cost: an epoch with and without them, and the size of a video in each format."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.cases import CASES
from benchmarks.session import Session
from benchmarks.tables import Table
from clipig_core.engine.run import Run
from clipig_core.imaging.images import to_image
from clipig_core.runner.execute import Observer, Result
from clipig_core.runner.outputs import outputs
from clipig_outputs.films import lacking, open_film
from clipig_outputs.formats import encode

LISTS: dict[str, Sequence[Any]] = {
    "webp, 2 frames a second": [{"video": {"format": "webp", "every": 0.5}}],
    "mp4, 2 frames a second": [{"video": {"format": "mp4", "every": 0.5}}],
    "log": ["log"],
    "webp, log, sheet, plot, frames": [
        {"video": {"format": "webp", "every": 0.5}},
        *("log", "sheet", "plot", {"frames": {"every": 5.0}}),
    ],
}

GROWING = """
canvas: pyramid
resolution: 224
init: {std: .02}
targets:
  - batch_size: 4
    features: [text: strawberry]
    transforms: [random_shift: -.08 .08, noise: .1]
    constraints: [blur: {kernel_size: 5, weight: 1.5}]
"""

FPS = 25


def measure(session: Session) -> Iterator[Table]:
    """Ratios of epochs, then files."""
    case = CASES[1]
    yield Table(
        "outputs",
        f"An epoch of the case '{case.name}' with outputs, and without them, in turns of some seconds; `ratio` is the "
        "median of with / without over the turns. It should be at most 1.03.",
        {
            name: dict(ratio(session, case.config, case.model, listed))
            for name, listed in LISTS.items()
            if usable(listed)
        },
    )
    yield Table(
        "formats",
        "A hundred frames of one run, 224x224: seconds of a processor for each, and kilobytes of the whole video. "
        "`picture` is the last of them alone.",
        {name: dict(figures) for name, figures in formats(session).items()},
    )


def usable(listed: Sequence[Any]) -> bool:
    """Whether what an extra brings is there."""
    found = [one["video"]["format"] for one in listed if isinstance(one, dict) and "video" in one]
    return not any(map(lacking, found))


def ratio(session: Session, config: str, model: str, listed: Sequence[Any]) -> dict[str, float]:
    """One row."""
    bare = session.run(config, model)
    watched = session.run(config, model, outputs=listed)
    observers = outputs(watched.plan, session.folder / f"outputs-{time.monotonic_ns()}")
    for observer in observers:
        observer.begin(watched)
    pairs = []
    for _ in range(1 if session.quick else 8):
        seconds = 0.0 if session.quick else 4.0
        pairs.append((epochs(session, lambda: shown(watched, observers), seconds), epochs(session, bare.step, seconds)))
    for observer in observers:
        observer.end(Result(watched.image, watched))
    return {
        "with s": statistics.median(one for one, _ in pairs),
        "without s": statistics.median(other for _, other in pairs),
        "ratio": statistics.median(one / other for one, other in pairs),
    }


def shown(run: Run, observers: Sequence[Observer]) -> None:
    """An epoch that outputs see."""
    step = run.step()
    for observer in observers:
        observer.step(step)


def epochs(session: Session, work: Callable[[], object], seconds: float) -> float:
    """Mean seconds of an epoch, in a row of them; the first is not counted."""
    work()
    taken = [session.clock(work)]
    while sum(taken) < seconds:
        taken.append(session.clock(work))
    return statistics.mean(taken)


def formats(session: Session) -> dict[str, dict[str, float]]:
    """A row for each format of videos, and for each of pictures."""
    count = 3 if session.quick else 100
    run = session.run(GROWING, "emoji", epochs=count, learnrate_scale="1 - .9 * t")
    frames = [to_image(step.image) for step in run]
    found = {}
    for kind in ("webp", "gif", "avif", "mp4", "webm"):
        if not lacking(kind):
            found[f"video {kind}"] = row(frames, lambda path: film(path, frames), session.folder / f"film.{kind}")
    for kind, quality in (("png", 100), ("jpg", 90), ("webp", 85), ("avif", 75)):
        last = frames[-1:]
        found[f"picture {kind}"] = row(
            last,
            lambda path, quality=quality: path.write_bytes(encode(frames[-1], path.suffix[1:], quality)),  # type: ignore[misc]
            session.folder / f"still.{kind}",
        )
    return found


def row(frames: Sequence[Image.Image], write: Callable[[Path], object], path: Path) -> dict[str, float]:
    """What it costs to write some frames."""
    path.unlink(missing_ok=True)
    start = time.process_time()
    write(path)
    taken = time.process_time() - start
    return {"frames": len(frames), "cpu s a frame": taken / len(frames), "kB": path.stat().st_size / 1000}


def film(path: Path, frames: Sequence[Image.Image]) -> None:
    """All frames as a video."""
    made = open_film(path, frames[0].size, FPS, 80, "")
    for number, frame in enumerate(frames):
        made.add(frame, number / FPS)
    made.end(len(frames) / FPS)
