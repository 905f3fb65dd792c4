"""How much memory there is, what a run needs of it at least, and how errors say that it was not enough."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import torch

from clipig_core.errors import Problem
from clipig_core.language.nodes import Node

PIXEL = 3 * 4
"""Bytes of a pixel."""

COPIES = 7
"""Of the picture, in an epoch, measured with the cheapest constraint: its pixels as they are, were, and are held in
[0, 1], their gradients, and what these are computed from."""

WORDS = ("can't allocate memory", "not enough memory", "bad_alloc", "Cannot allocate memory")
"""With which torch says on a CPU, in a plain RuntimeError, that there is no memory."""


def out_of_memory(error: BaseException | None) -> bool:
    """Whether something could not get memory, or was told so by something that could not."""
    if error is None:
        return False
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    plain = isinstance(error, RuntimeError | OSError) and any(words in str(error) for words in WORDS)
    return plain or out_of_memory(error.__cause__)


def wanted(error: BaseException) -> str:
    """How much memory was wanted, if the error says so: ` for 1.2 GB`."""
    found = re.search(r"allocate (\d+) bytes|allocate ([\d.]+ [GMK]i?B)", f"{error} {error.__cause__}")
    if not found:
        return ""
    return f" for {size(int(found[1])) if found[1] else found[2]}"


def size(count: float) -> str:
    """Bytes for people: `1.2 GB`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count:.0f} bytes"


def picture_problem(
    width: int, height: int, optimizer_copies: float, device: torch.device, node: Node
) -> Problem | None:
    """What is wrong with a resolution that cannot be trained in the memory that is there."""
    needed, there = PIXEL * width * height * (COPIES + optimizer_copies), available(device)
    if there is None or needed <= there:
        return None
    scale = (there / needed) ** 0.5
    fitting = f"{max(1, int(width * scale))}x{max(1, int(height * scale))} would fit"
    message = f"a picture of {width}x{height} pixels needs about {size(needed)} of memory, and {size(there)} are free"
    return Problem(message, node.place, fitting)


def views_problem(batch: int, width: int, height: int, device: torch.device, node: Node) -> Problem | None:
    """What is wrong with a number of views that do not fit, with their gradients."""
    each, there = 2 * PIXEL * width * height, available(device)
    if there is None or batch * each <= there:
        return None
    message = f"{batch} views of {width}x{height} pixels need about {size(batch * each)} of memory, "
    return Problem(f"{message}and {size(there)} are free", node.place, f"{int(there // each)} would fit")


def available(device: torch.device) -> int | None:
    """Bytes that a process can still have, as far as somebody knows: the machine, its cgroup, its own limits."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + cached
    if device.type != "cpu":
        return None
    return min([*_machine(), *_cgroup(), *_limits()], default=None)


def _machine() -> Iterator[int]:
    with contextlib.suppress(OSError, ValueError, KeyError):
        lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
        found = {line[0]: 1024 * int(line[1]) for line in lines}
        yield found["MemAvailable:"] + found["SwapFree:"]
        return
    with contextlib.suppress(AttributeError, OSError, ValueError):  # not of Windows
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _cgroup() -> Iterator[int]:
    """What the limits of all groups leave in which the process is; files that were read can be forgotten."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            names = ("memory.max", "memory.current", "inactive_file ")
            root = Path("/sys/fs/cgroup")
            if controllers:
                names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ")
                root /= "memory"
            if not controllers or "memory" in controllers.split(","):
                inside = Path(path.lstrip("/"))
                yield from (left for one in (inside, *inside.parents) for left in _left(root / one, *names))


def _left(group: Path, limit: str, used: str, cache: str) -> Iterator[int]:
    with contextlib.suppress(OSError, ValueError):  # there is no limit
        stat = (group / "memory.stat").read_text().splitlines()
        forgettable = sum(int(line.removeprefix(cache)) for line in stat if line.startswith(cache))
        yield int((group / limit).read_text()) - int((group / used).read_text()) + forgettable


def _limits() -> Iterator[int]:
    """What `ulimit -v` and `ulimit -d` leave."""
    with contextlib.suppress(ImportError, OSError, ValueError, KeyError):
        import resource

        lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
        status = {line[0]: line[1:] for line in lines if line}
        for limit, used in ((resource.RLIMIT_AS, "VmSize:"), (resource.RLIMIT_DATA, "VmData:")):
            most = resource.getrlimit(limit)[0]
            if most != resource.RLIM_INFINITY:
                yield most - 1024 * int(status[used][0])
