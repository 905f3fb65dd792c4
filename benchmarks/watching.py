"""What it costs an epoch that values which are not finite are noticed, and undone."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.session import Session, Work
from benchmarks.tables import Rows, Table
from clipig_core.engine.run import Run

TARGET = """
targets:
  - batch_size: 4
    features:
      - text: a strawberry
    transforms:
      - random_shift: 0 1
      - random_crop: 224
"""


def measure(session: Session) -> Iterator[Table]:
    """What is done for it in an epoch, beside the whole epoch, in turns."""
    rows: Rows = {}
    for canvas, side in (("rgb", 224), ("rgb", 1024), ("pyramid", 512)):
        run = session.run(TARGET, "emoji", canvas=canvas, resolution=side)
        taken = session.turns({"watching": watching(run), "epoch": run.step}, seconds=5)
        best = {name: min(seconds) for name, seconds in taken.items()}
        ms = {f"{name} ms": 1000 * seconds for name, seconds in best.items()}
        rows[f"{canvas} {side}x{side}"] = {**ms, "ratio": best["watching"] / best["epoch"]}
    yield Table(
        "watching",
        "Looking for values that are not finite and keeping what was before them, beside an epoch of 4 random crops, "
        "emoji model; the fastest of each.",
        rows,
    )


def watching(run: Run) -> Work:
    """All that is done in an epoch to notice what is not finite."""
    losses = [target.loss for target in run.step().targets]

    def work() -> None:
        run._watch.keep(run.epoch, run._memory())
        run._watch.look([*losses, *run._gradients()])
        run._watch.look(run.canvas.parameters())

    return work
