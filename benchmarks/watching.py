"""What it costs an epoch that values which are not finite are noticed, and undone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from benchmarks.session import Session, Work
from benchmarks.tables import Rows, Table
from clipig_core.engine.run import Run
from clipig_core.engine.watch import Watch

TARGET = """
targets:
  - batch_size: 8
    features:
      - text: a strawberry
    transforms:
      - random_shift: 0 1
      - random_crop: 224
"""


class Blind(Watch):
    """Looks at nothing and keeps nothing."""

    def keep(self, epoch: int, tensors: Sequence[Tensor]) -> None: ...
    def look(self, tensors: Sequence[Tensor]) -> None: ...
    def finished(self) -> None: ...


def measure(session: Session) -> Iterator[Table]:
    """Epochs with and without, in turns."""
    rows: Rows = {}
    for canvas in ("rgb", "pyramid"):
        for side in session.some((224, 1024, 2048)):
            watched, blind = (run(session, canvas, side) for _ in range(2))
            blind._watch = Blind(blind._watch.late)
            works: dict[str, Work] = {"watched": watched.step, "blind": blind.step}
            found = session.medians(works, seconds=12)
            ms = {f"{name} ms": 1000 * seconds for name, seconds in found.items()}
            rows[f"{canvas} {side}x{side}"] = {**ms, "ratio": found["watched"] / found["blind"]}
    yield Table(
        "watching",
        "An epoch of 8 random crops, ViT-B/32, with and without looking for values that are not finite.",
        rows,
    )


def run(session: Session, canvas: str, side: int) -> Run:
    """A run that never ends."""
    return session.run(TARGET, canvas=canvas, resolution=side)
