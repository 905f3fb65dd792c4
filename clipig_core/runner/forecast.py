"""What a run will cost, by a trial: two epochs of each of its phases, the first of which warms up."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import torch

from clipig_core.config.plan import Plan
from clipig_core.config.timeline import timeline
from clipig_core.engine.run import Run
from clipig_core.engine.statistics import Row

MOST_PHASES = 6


@dataclass(frozen=True)
class Phase:
    """Epochs that cost about the same: the first of them, how many there are, and seconds for each."""

    first: int
    epochs: int
    resolution: tuple[int, int]
    seconds: float


@dataclass(frozen=True)
class Forecast:
    """What a run will cost on this machine, as it is now.

    `memory` is in bytes: on CUDA what torch had allocated at most, else what this process had, 0 if nobody knows.
    `statistics` are those of the trial.
    """

    loading: float
    phases: tuple[Phase, ...]
    memory: int
    device: str
    statistics: tuple[Row, ...]

    @property
    def seconds(self) -> float:
        """Of all epochs."""
        return sum(phase.epochs * phase.seconds for phase in self.phases)


def forecast(plan: Plan) -> Forecast:
    """Load what a plan needs, and try it; nothing is written.

    Raises:
        ClipigError: it cannot run.
    """
    before = time.monotonic()
    run = Run(plan)
    loading = time.monotonic() - before
    if run.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(run.device)
    starts = timeline(plan).phases()
    if len(starts) > MOST_PHASES:
        span = (run.epochs - run.start_epoch) / MOST_PHASES
        starts = [run.start_epoch + round(span * number) for number in range(MOST_PHASES)]
    phases = []
    for first, end in zip(starts, [*starts[1:], run.epochs], strict=True):
        for _ in range(2):
            run.epoch = first
            before = time.monotonic()
            step = run.step()
            float(step.loss)  # waits for the device
        phases.append(Phase(first, end - first, run.resolution, time.monotonic() - before))
    return Forecast(loading, tuple(phases), _memory(run.device), str(run.device), tuple(run.statistics.rows()))


def _memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # there is no such thing on Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
