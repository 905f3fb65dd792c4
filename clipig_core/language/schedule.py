"""When things happen: frame times, windows, and the variables of the time group."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_PERCENT = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))\s*%")


@dataclass(frozen=True)
class FrameTime:
    """A point of the run: an int counts epochs, a float is a ratio, 0.0 at the first epoch and 1.0 at the last."""

    value: int | float

    @classmethod
    def parse_percent(cls, text: str) -> FrameTime | None:
        """`12.5%` as a ratio, None for anything else."""
        match = _PERCENT.fullmatch(text.strip())
        return cls(float(match[1]) / 100) if match else None

    def position(self, epoch: int, time: float) -> float:
        """Which of the two clocks this point is read on."""
        return epoch if isinstance(self.value, int) else time


@dataclass(frozen=True)
class Now:
    """The present epoch, from 0 to `epochs - 1`."""

    epoch: int
    epochs: int

    @property
    def time(self) -> float:
        """0.0 in the first epoch, exactly 1.0 in the last."""
        return self.epoch / max(1, self.epochs - 1)

    def within(self, start: FrameTime, end: FrameTime) -> bool:
        """Whether a window is open: `start <= now <= end`, both ends included."""
        return start.value <= start.position(self.epoch, self.time) and end.position(self.epoch, self.time) <= end.value

    def still_opens(self, start: FrameTime, end: FrameTime) -> bool:
        """Whether a window is open now or in any later epoch."""
        first = start.value if isinstance(start.value, int) else math.ceil(start.value * (self.epochs - 1))
        # If it is closed in the first epoch after its start, it has ended already; the others are for rounding.
        soonest = (max(self.epoch, first + step) for step in (-1, 0, 1))
        return any(Now(epoch, self.epochs).within(start, end) for epoch in soonest if epoch < self.epochs)

    def variables(self) -> dict[str, float | Callable[[float, float], float]]:
        """The time group of the expression language."""
        values: dict[str, Any] = {"epoch": float(self.epoch), "time_step": self.step, "ts": self.step}
        for names, value in ((("time", "t"), self.time), (("time_inverse", "ti"), 1 - self.time)):
            for name in names:
                values |= {name: value, **{f"{name}{power}": value**power for power in (2, 3, 4, 5)}}
        return values

    def step(self, a: float, b: float) -> float:
        """0 before `a`, 1 after `b`, linear between; with `b < a` it falls from 1 to 0 between `b` and `a`."""
        if b < a:
            return 1 - self.step(b, a)
        if a == b:
            return float(self.time >= a)
        return min(1.0, max(0.0, (self.time - a) / (b - a)))
