"""What the machine has for this process: cores, GPUs, memory. Limits that others have set count, too."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")


def cores() -> int:
    """How many this process may use, by its affinity and the quotas of the control groups in which it is; 1 or more."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min([count, *_quotas()])))


def gpus() -> list[str]:
    """Those that this process may use, as `CUDA_VISIBLE_DEVICES` calls them. None of them is touched; loads torch."""
    import torch

    count = torch.cuda.device_count()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return (visible.split(",") if visible else [*map(str, range(count))])[:count]


def free_memory(swap: bool = True) -> int | None:
    """Bytes that this process can still have, as far as somebody knows: the machine, its groups, its own limits."""
    return min([*_machine(swap), *_memory_of_groups(), *_limits()], default=None)


def _machine(swap: bool) -> Iterator[int]:
    with contextlib.suppress(OSError, ValueError, KeyError):
        lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
        found = {line[0]: 1024 * int(line[1]) for line in lines}
        yield found["MemAvailable:"] + (found["SwapFree:"] if swap else 0)
        return
    with contextlib.suppress(AttributeError, OSError, ValueError):  # not of Windows
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _groups(controller: str) -> Iterator[tuple[Path, bool]]:
    """The folders of all control groups that limit this process in something, and whether they are of version 2."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers or controller in controllers.split(","):
                root, inside = GROUPS / controller if controllers else GROUPS, Path(path.lstrip("/"))
                yield from ((root / one, not controllers) for one in (inside, *inside.parents))


def _quotas() -> Iterator[float]:
    """How many cores' time each group may take."""
    for group, unified in _groups("cpu"):
        with contextlib.suppress(OSError, ValueError):  # there is no limit
            names = ("cpu.max",) if unified else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            quota, period = " ".join((group / name).read_text() for name in names).split()
            if int(quota) > 0:
                yield int(quota) / int(period)


def _memory_of_groups() -> Iterator[int]:
    """What the limits of the groups leave; files that were read can be forgotten."""
    for group, unified in _groups("memory"):
        names = ("memory.max", "memory.current", "inactive_file ")
        if not unified:
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ")
        yield from _left(group, *names)


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
