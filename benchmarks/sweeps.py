"""What many small pictures cost: a loop of `clipig run`, and sweeps by their launchers."""

from __future__ import annotations

import importlib.util
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.session import Session
from benchmarks.tables import Rows, Table

CONFIG = "{model: emoji, resolution: 64, epochs: 20, targets: [{features: [{text: fox}]}]}"
JOBS = 24


def measure(session: Session) -> Iterator[Table]:
    """Wall and CPU seconds of the same pictures, one way after the other."""
    folder = session.folder / "sweeps"
    folder.mkdir(exist_ok=True)
    (folder / "fox.yaml").write_text(CONFIG)
    count = 2 if session.quick else JOBS
    set_device = ["--set", f"device={session.device}"]
    ways = {
        "clipig run, in a loop": [["run", "fox.yaml", "--seed", str(n), "-v", "0", *set_device] for n in range(count)],
        "sweep, local": [["sweep", "fox.yaml", "--set", f"seed=0..{count - 1}", "-o", "local", *set_device]],
    }
    if importlib.util.find_spec("ray"):
        launcher = ["--launcher", "ray: {gpus: .25}" if session.device == "cuda" else "ray"]
        ways["sweep, ray"] = [[*ways["sweep, local"][0][:-3], "ray", *set_device, *launcher]]
    rows: Rows = {}
    for name, commands in ways.items():
        wall, cpu = clock(commands, folder)
        rows[name] = {"wall s": wall, "CPU s": cpu, "wall s a job": wall / count, "CPU s a job": cpu / count}
    first = rows["clipig run, in a loop"]
    for row in rows.values():
        row["times as fast"] = float(str(first["wall s"])) / float(str(row["wall s"]))
    yield Table(
        "sweeps",
        f"{count} jobs: the emoji model, 64x64, 20 epochs, from the start of the first process to the end of the last. "
        "`ray` starts a cluster for the sweep; its CPU seconds lack those of processes that Ray does not wait for.",
        rows,
    )


def clock(commands: list[list[str]], folder: Path) -> tuple[float, float]:
    """Wall and CPU seconds of commands of clipig, one after the other."""
    clipig = shutil.which("clipig", path=Path(sys.executable).parent) or "clipig"
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    for command in commands:
        subprocess.run([clipig, *command], cwd=folder, check=True, capture_output=True)  # noqa: S603
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - begin, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
