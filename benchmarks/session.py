"""What benchmarks share: models of random weights, runs of them, and a clock."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from clipig_clip.encoder import CLIP
from clipig_clip.traits import OPENAI
from clipig_core.config.check import check
from clipig_core.config.document import merge
from clipig_core.config.plan import Plan
from clipig_core.engine.run import Run
from clipig_core.errors import Place
from clipig_core.extension.registry import Registry
from clipig_core.language.nodes import Node
from clipig_core.language.yaml import read_yaml

SHAPES = {
    "ViT-B/32": (512, 224, 12, 768, 32, 77, 49408, 512, 8, 12),
    "ViT-L/14": (768, 224, 24, 1024, 14, 77, 49408, 768, 12, 12),
    "tiny": (64, 32, 1, 64, 16, 77, 49408, 64, 1, 1),
}
"""The arguments of `clip.model.CLIP`. Random weights cost what OpenAI's cost, and need no download."""

Work = Callable[[], object]


@dataclass(frozen=True)
class Session:
    """Where and how thoroughly to measure. `quick` shows in seconds that everything works; its figures mean nothing."""

    device: str
    folder: Path
    quick: bool = False
    pictures: Path | None = None
    registry: Registry = field(default_factory=Registry)

    def model(self, name: str) -> str:
        """A model name for configs: a checkpoint in OpenAI's format with random weights, or the emoji model itself."""
        if name not in SHAPES:
            return name
        if self.quick:
            name = "tiny"
        path = self.folder / f"{name.replace('/', '-')}.pt"
        if not path.exists():
            from clip.model import convert_weights

            torch.manual_seed(0)
            model = CLIP(*SHAPES[name])
            convert_weights(model)
            marks = {name: torch.tensor(0) for name in OPENAI}  # as OpenAI's own files have them
            torch.save({**model.state_dict(), **marks}, path)
        return str(path)

    def config(self, text: str, **settings: Any) -> Plan:
        """A config from YAML, for a run that never ends; `settings` win."""
        settings = {"epochs": 1_000_000, "seed": 1, "device": self.device} | settings
        return check(merge([read_yaml(text, "benchmark"), Node.of(settings, Place("benchmark"))]), self.registry)

    def run(self, text: str, model: str = "ViT-B/32", **settings: Any) -> Run:
        return Run(self.config(text, model=self.model(model), **settings))

    def medians(self, works: Mapping[str, Work], seconds: float, least: int = 5) -> dict[str, float]:
        """Median seconds of each work; see `turns`."""
        return {name: statistics.median(taken) for name, taken in self.turns(works, seconds, least).items()}

    def turns(self, works: Mapping[str, Work], seconds: float, least: int = 5) -> dict[str, list[float]]:
        """Seconds of each work, done in turns for so many seconds, and so many times at least."""
        if self.quick:
            seconds, least = 0, 1
        else:
            for work in works.values():  # the first time is never typical
                self.clock(work)
        taken: dict[str, list[float]] = {name: [] for name in works}
        end, rounds = time.perf_counter() + seconds, 0
        while rounds < least or time.perf_counter() < end:
            for name, work in works.items():
                taken[name].append(self.clock(work))
            rounds += 1
        return taken

    def clock(self, work: Work) -> float:
        """Seconds until some work is done, on the device, too."""
        self._wait()
        start = time.perf_counter()
        work()
        self._wait()
        return time.perf_counter() - start

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def some(self, values: Sequence[int]) -> Sequence[int]:
        """The values of an axis; the first two if it has to be quick."""
        return values[:2] if self.quick else values

    def apart(self, text: str, model: str, seconds: float = 2) -> dict[str, float]:
        """What an epoch of a config costs in a process of its own; see `benchmarks.epochs`."""
        settings = {"model": self.model(model), "device": self.device}
        order = {"config": text, "settings": settings, "seconds": 0 if self.quick else seconds}
        command = [sys.executable, "-m", "benchmarks.epochs"]
        done = subprocess.run(command, input=json.dumps(order), stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
        found: dict[str, float] = json.loads(done.stdout)
        return found
