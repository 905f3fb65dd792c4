"""How long it takes to the first epoch."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.session import Session
from benchmarks.tables import Rows, Table

CONFIG = "{resolution: 224, seed: 1, targets: [{features: [{text: a strawberry}]}]}"

BARE = """
import time
import torch, torchvision
import clip
from clip.model import build_model
build_model(torch.load({path!r}, map_location="cpu", weights_only=True))
print(time.time(), time.process_time())
"""

GOAL = 0.5


def measure(session: Session) -> Iterator[Table]:
    """Wall and CPU time of fresh processes."""
    path = session.model("ViT-B/32")
    config = session.folder / "startup.yaml"
    config.write_text(CONFIG)
    out = f"{session.folder}/"
    run = ["-m", "benchmarks.first_epoch", "run", str(config), "-m", path, "-d", session.device, "-v", "0", "-o", out]
    commands = {"bare": ["-W", "ignore", "-c", BARE.format(path=path)], "clipig": run}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(1 if session.quick else 3):
        for name, command in commands.items():
            taken[name].append(start(command))
    rows: Rows = {}
    for i, kind in enumerate(("wall", "CPU")):
        bare, clipig = (min(times[i] for times in taken[name]) for name in ("bare", "clipig"))
        rows[f"{kind} time"] = {"bare s": bare, "clipig s": clipig, "added s": clipig - bare, "goal s": GOAL}
    yield Table(
        "startup",
        "From the start of the process. `clipig s` is `clipig run`, ViT-B/32, to the first epoch; `bare s` a script "
        "that imports torch, torchvision and clip, and builds the model from the same checkpoint.",
        rows,
    )


def start(command: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a Python process until it prints what its clocks show."""
    begin = time.time()
    done = subprocess.run([sys.executable, *command], stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    end, cpu = map(float, done.stdout.split())
    return end - begin, cpu
