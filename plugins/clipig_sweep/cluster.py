"""The launcher `ray`: jobs on the machines of a Ray cluster."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import os
import platform
import secrets
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

from clipig_core import InputError, Param, RunError
from clipig_core.kit import Registry
from clipig_sweep.local import portable

Job = TypeVar("Job")
Result = TypeVar("Result")

OLDEST = (2, 40)
SECONDS_TO_CONNECT, SECONDS_FOR_FACTS, SECONDS_TO_CANCEL = 5.0, 120.0, 5.0
AHEAD = 2
"""Jobs that are submitted for each that can run, so that none waits for the other side."""


def ray(
    run: Callable[[Job], Result],
    jobs: Sequence[Job],
    address: Annotated[str, Param("Of a cluster: host:port; auto for one that runs here; empty to start one.")] = "",
    cpus: Annotated[float, Param("Cores that each job takes.", min=0)] = 1.0,
    gpus: Annotated[float, Param("GPUs that each job takes; .25 lets four jobs share one.", min=0)] = 0.0,
    retries: Annotated[int, Param("How often a job is tried again whose process or machine is lost.", min=0)] = 2,
) -> Iterator[tuple[Job, Result | Exception]]:
    """On a Ray cluster, whose nodes have the same clipig and plugins as this machine. Needs `clipig[ray]`.

    Pictures come back through the cluster, so machines need no folder in common.

    Example: {address: "10.0.0.1:6379", gpus: .5}
    """
    with _connected(address) as library:
        _check_nodes(library)
        slots = _slots(library.cluster_resources(), cpus, gpus)
        options = {"num_cpus": cpus, "num_gpus": gpus, "max_retries": retries}
        task = library.remote(attempt).options(**options)
        shared, waiting = library.put(run), deque(jobs)
        begun: dict[Any, Job] = {}
        try:
            while waiting or begun:
                while waiting and len(begun) < AHEAD * slots:
                    job = waiting.popleft()
                    begun[task.remote(shared, job)] = job
                for done in library.wait([*begun])[0]:
                    yield begun.pop(done), _result(library, done)
        finally:
            for pending in begun:
                library.cancel(pending)
            if begun:
                library.wait([*begun], num_returns=len(begun), timeout=SECONDS_TO_CANCEL)


def attempt(run: Callable[[Any], object], job: object) -> tuple[bool, Any]:
    """What a job gives, or the exception that it raises, which is no reason to try it again."""
    try:
        return True, run(job)
    except Exception as error:
        return False, portable(error)


def _result(library: Any, reference: Any) -> Any:
    """The result of a job, or an exception: its own, or that it was lost as often as it was tried."""
    try:
        return library.get(reference)[1]
    except library.exceptions.RayError as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return RunError(f"the job was lost: {first}")


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """The library, connected to a cluster; one that is started here ends with it.

    Raises:
        InputError: there is no Ray, or another one than that of the cluster, or no cluster at this address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "120")  # a busy machine needs more than the usual 30
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if not address:  # nobody else on this machine is to run code in it
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    elif address != "auto":
        _reachable(address)
    library = _library()
    options: dict[str, Any] = {"include_dashboard": False} if not address else {"address": address}
    try:
        with _own_signals():
            library.init(logging_level=logging.ERROR, log_to_driver=False, **options)
    except Exception as error:  # which Ray raises as it is where a node is late
        where = f"at '{address}'" if address else "here"
        raise InputError(f"cannot use a Ray cluster {where}: {' '.join(str(error).split())}") from None
    try:
        yield library
    finally:
        library.shutdown()


def _library() -> Any:
    try:
        import ray as library
    except ImportError as error:
        raise InputError(f"the launcher 'ray' needs Ray ({error}); install it with pip install 'clipig[ray]'") from None
    version = tuple(int(part) for part in library.__version__.split(".")[:2])
    if version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise InputError(f"the launcher 'ray' needs Ray {oldest} or newer; this is {library.__version__}")
    return library


def _reachable(address: str) -> None:
    """Raises InputError if nobody answers, which Ray itself takes a minute to say."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if not host or not port.isdecimal():
            raise ValueError("an address is host:port, auto, or empty to start a cluster here")
        with socket.create_connection((host, int(port)), timeout=SECONDS_TO_CONNECT):
            pass
    except (OSError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"there is no Ray cluster at '{address}': {reason}") from None


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes over SIGTERM, which is not its own here."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _slots(resources: Mapping[str, float], cpus: float, gpus: float) -> int:
    """How many jobs run at once. Raises InputError if the cluster is too small for one."""
    slots = []
    for name, wanted in (("CPU", cpus), ("GPU", gpus)):
        if wanted:
            present = resources.get(name, 0)
            if present < wanted:
                raise InputError(f"a job takes {wanted:g} {name}s, but the whole cluster has {present:g}")
            slots.append(int(present / wanted))
    return min(slots, default=1)


def facts() -> dict[str, str]:
    """What has to be the same on all machines, for pictures to be the same."""
    found = {"Python": platform.python_version(), "torch": importlib.metadata.version("torch")}
    return found | {plugin.distribution: plugin.version for plugin in Registry().plugins if not plugin.disabled}


def _check_nodes(library: Any) -> None:
    """Raises InputError with all differences between the nodes and this machine."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here, problems = facts(), []
    asked = {}
    for node in library.nodes():
        if node["Alive"]:
            strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            remote = library.remote(facts).options(num_cpus=0, scheduling_strategy=strategy)
            asked[node["NodeManagerAddress"], node["NodeID"][:8]] = remote.remote()
    for (name, node_id), reference in asked.items():
        try:
            there = library.get(reference, timeout=SECONDS_FOR_FACTS)
        except library.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            problems.append(f"the node {name} ({node_id}) cannot load clipig: {reason}")
            continue
        problems += [f"the node {name} ({node_id}) {text}" for text in differences(here, there)]
    if problems:
        raise InputError("\n".join(problems))


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """What another machine has otherwise, in words."""
    found = []
    for name in sorted({*here, *there}):
        with contextlib.suppress(KeyError):
            if here[name] == there[name]:
                continue
        ours, theirs = (side.get(name, "none") for side in (here, there))
        found.append(f"has {name} {theirs}, here is {ours}" if name in there else f"lacks {name} {ours}")
    return found
