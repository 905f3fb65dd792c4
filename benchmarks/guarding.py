"""What it costs an epoch that components cannot change the process as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

from benchmarks.session import Session
from benchmarks.tables import Table

CONFIG = """
targets:
  - batch_size: 2
    features:
      - text: strawberry
    transforms:
      - random_shift: -.1 .1
      - random_rotate: -5 5
      - noise: .1
    constraints:
      - blur
      - saturation
"""


@contextmanager
def unguarded(_: Callable[[], str]) -> Iterator[None]:
    """In the place of `surroundings_kept`."""
    yield


def measure(session: Session) -> Iterator[Table]:
    """The shortest of epochs, with and without, in turns; both pay for the two calls of `contextlib`."""
    kept, bare = (session.run(CONFIG, "emoji", resolution=64) for _ in range(2))

    def step() -> None:
        with patch("clipig_core.extension.registry.surroundings_kept", unguarded):
            bare.step()

    found = session.medians({"guarded": kept.step, "bare": step}, seconds=20)
    row = {f"{name} ms": 1000 * seconds for name, seconds in found.items()}
    yield Table(
        "guarding",
        "An epoch of the emoji model at 64x64 pixels, with six components, with and without looking at the process.",
        {"emoji 64x64": {**row, "ratio": found["guarded"] / found["bare"]}},
    )
