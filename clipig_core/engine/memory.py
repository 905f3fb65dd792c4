"""How much memory there is, what a run needs of it at least, and how errors say that it was not enough."""

from __future__ import annotations

import re

import torch

from clipig_core.errors import Problem
from clipig_core.language.nodes import Node
from clipig_core.machine import free_memory

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
    """Bytes that this process can still have on a device, as far as somebody knows."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + cached
    return free_memory() if device.type == "cpu" else None
