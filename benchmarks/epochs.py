"""Epochs in a process of their own, for what a process can tell of its memory only once: `python -m benchmarks.epochs`.

Reads `{"config", "settings", "seconds"}` from standard input, prints `{"epoch_s", "loaded_mb", "peak_mb", "chunk"}`.
Without such a process, memory that an earlier run left behind would count, or hide what a later one needs.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import sys
import tempfile
from pathlib import Path

import torch

from benchmarks.cases import encoder_of
from benchmarks.session import Session

MEGABYTE = 1_000_000


def main() -> None:
    """Do what standard input says."""
    order = json.load(sys.stdin)
    device = order["settings"]["device"]
    with tempfile.TemporaryDirectory() as folder:
        session = Session(device, Path(folder))
        run = session.run(order["config"], order["settings"]["model"])
        forget_peak(device)
        loaded = peak_bytes(device)
        taken = session.turns({"epoch": run.step}, order["seconds"], least=1)["epoch"]
    found = {
        "epoch_s": min(taken),  # there is nothing beside it that would suffer the same disturbances
        "loaded_mb": loaded / MEGABYTE,
        "peak_mb": peak_bytes(device) / MEGABYTE,
        "chunk": encoder_of(run).chunk,
    }
    json.dump(found, sys.stdout)


def forget_peak(device: str) -> None:
    """Forget how much memory loading took. Where the system cannot, that counts, too."""
    gc.collect()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return
    with contextlib.suppress(AttributeError, OSError, TypeError):  # they are of Linux, the first of glibc
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")


def peak_bytes(device: str) -> int:
    """The most memory in use so far."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    with contextlib.suppress(OSError):  # of Linux; there, `ru_maxrss` may be the parent's
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()
