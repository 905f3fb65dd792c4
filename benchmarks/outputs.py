"""What outputs cost: an epoch with and without them, and the size of a video in each format."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
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

FRAMES_A_SECOND = 2

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


def lists(every: int) -> dict[str, list[Any]]:
    """Outputs by the name of their row; `every` so many epochs a frame."""
    webp, mp4 = ({"video": {"format": kind, "every": every}} for kind in ("webp", "mp4"))
    more: list[Any] = ["log", "sheet", "plot", {"frames": {"every": 10 * every}}]
    found: dict[str, list[Any]] = {
        "webp": [webp],
        "mp4": [mp4],
        "log": ["log"],
        "webp, log, sheet, plot, frames": [webp, *more],
    }
    return {name: listed for name, listed in found.items() if name != "mp4" or not lacking("mp4")}


def measure(session: Session) -> Iterator[Table]:
    """Ratios of epochs, then files."""
    case = CASES[1]
    bare = session.run(case.config, case.model)
    bare.step()
    alone = processor(bare.step)[0] / torch.get_num_threads()
    rows = lists(every=max(1, round(1 / FRAMES_A_SECOND / alone)))
    yield Table(
        "outputs",
        f"An epoch of the case '{case.name}' with outputs, and without them, in turns; videos have {FRAMES_A_SECOND} "
        "frames a second, if the machine has nothing else to do. `ratio` is with / without in seconds, and should be "
        "at most 1.03; `cpu` is the same in seconds of all processors. Both are medians over the turns.",
        {name: dict(compared(session, bare, listed)) for name, listed in rows.items()},
    )
    yield Table(
        "formats",
        "A hundred frames of one run, 224x224: seconds of a processor for each, and kilobytes of the whole video. "
        "`picture` is the last of them alone.",
        {name: dict(figures) for name, figures in formats(session).items()},
    )


def compared(session: Session, bare: Run, listed: Sequence[Any]) -> dict[str, float]:
    """One row."""
    case = CASES[1]
    watched = session.run(case.config, case.model, outputs=listed)
    observers = outputs(watched.plan, session.folder / f"outputs-{time.monotonic_ns()}")
    for observer in observers:
        observer.begin(watched)
    shown(watched, observers)
    turns = [
        (*processor(lambda: shown(watched, observers), 2), *processor(bare.step, 2))
        for _ in range(1 if session.quick else 12)
    ]
    for observer in observers:
        observer.end(Result(watched.image, watched))
    return {
        "with s": statistics.median(wall for _, wall, _, _ in turns),
        "without s": statistics.median(wall for _, _, _, wall in turns),
        "ratio": statistics.median(one / other for _, one, _, other in turns),
        "cpu": statistics.median(one / other for one, _, other, _ in turns),
    }


def processor(work: Callable[[], object], times: int = 1) -> tuple[float, float]:
    """Seconds of all processors, and of the clock, for one of several epochs in a row."""
    cpu, clock = time.process_time(), time.perf_counter()
    for _ in range(times):
        work()
    return (time.process_time() - cpu) / times, (time.perf_counter() - clock) / times


def shown(run: Run, observers: Sequence[Observer]) -> None:
    """An epoch that outputs see."""
    step = run.step()
    for observer in observers:
        observer.step(step)


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
