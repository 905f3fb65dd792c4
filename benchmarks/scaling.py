"""How an epoch grows with what is asked of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.session import Session
from benchmarks.tables import Cell, Rows, Table


@dataclass(frozen=True)
class Axis:
    """Configs that differ in one number; the work of an epoch grows `work` times when it doubles."""

    name: str
    values: tuple[int, ...]
    work: int
    config: Callable[[int], str]


def target(batch: int = 4, features: int = 1) -> str:
    """A target in YAML's flow style."""
    texts = ", ".join(["{text: strawberry}"] * features)
    return (
        f"{{batch_size: {batch}, features: [{texts}], "
        "transforms: [{random_shift: -.1 .1}, {noise: .1}], constraints: [{blur: 5}]}"
    )


AXES = [
    Axis("batch", (1, 8, 64, 512), 2, lambda n: f"{{resolution: 128, targets: [{target(batch=n)}]}}"),
    Axis("resolution", (64, 256, 1024, 4096), 4, lambda n: f"{{resolution: {n}, targets: [{target(batch=2)}]}}"),
    Axis("targets", (1, 3, 10), 2, lambda n: f"{{resolution: 128, targets: [{', '.join([target()] * n)}]}}"),
    Axis("features", (1, 10, 100), 2, lambda n: f"{{resolution: 128, targets: [{target(features=n)}]}}"),
]


def measure(session: Session) -> Iterator[Table]:
    """Seconds and memory over each axis."""
    rows: Rows = {}
    for axis in AXES:
        before, last = None, 0
        for value in session.some(axis.values):
            found = session.apart(axis.config(value), "emoji")
            seconds, added = found["epoch_s"], max(1.0, found["peak_mb"] - found["loaded_mb"])
            row: dict[str, Cell] = {"epoch s": seconds, "peak MB": found["peak_mb"], "added MB": added}
            row |= {"time x": None, "memory x": None, "work x": axis.work}
            if before:
                doublings = math.log2(value / last)
                row["time x"] = (seconds / before[0]) ** (1 / doublings)
                row["memory x"] = (added / before[1]) ** (1 / doublings)
            before, last = (seconds, added), value
            rows[f"{axis.name} {value}"] = row
    yield Table(
        "scaling",
        "The emoji model; 128x128 and batch 4 unless said, batch 2 along the resolution; each row in a process of its "
        "own. `added MB` is what epochs take beyond the loaded process. `time x` and `memory x` say how many times as "
        "much a doubling costs, counted from the row above; more than `work x` would be wrong.",
        rows,
    )
