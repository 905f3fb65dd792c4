"""The launcher `local`: jobs in processes of this machine, which stay for the next job."""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from clipig_core import Param, RunError, kit

Job = TypeVar("Job")
Result = TypeVar("Result")

ATTEMPTS = 2
PATIENCE = 5.0
LAST_WORDS = 2000


def local(
    run: Callable[[Job], Result],
    jobs: Sequence[Job],
    workers: Annotated[
        int | Literal["auto"],
        Param("How many processes; auto is one for each GPU, or as many as cores and memory carry.", min=1, max=1024),
    ] = "auto",
    threads: Annotated[
        int | Literal["auto"], Param("Threads of each process; auto divides the cores.", min=1, max=1024)
    ] = "auto",
    memory: Annotated[float, Param("Gigabytes that auto reckons for each process.", above=0)] = 1.5,
) -> Iterator[tuple[Job, Result | Exception]]:
    """Here, in processes that stay, so that plugins and models are loaded once.

    If a process dies, its job is tried once more in a new one.

    Example: {workers: 4}
    """
    devices, cores = kit.gpus(), kit.cores()
    free = kit.free_memory(swap=False)
    carried = len(devices) or (cores if free is None else max(1, min(cores, int(free / 1e9 / memory))))
    count = workers if isinstance(workers, int) else carried
    each = threads if isinstance(threads, int) else max(1, cores // count)
    context = _context(run)
    waiting = deque((job, 1) for job in jobs)
    slots = [_Slot(context, run, each, devices[i % len(devices)] if devices else "") for i in range(count)]
    try:
        while waiting or any(slot.task for slot in slots):
            for slot in slots:
                if waiting and not slot.task:
                    slot.start(*waiting.popleft())
            for slot in _ready(slots):
                job, attempt, result = slot.finish()
                if isinstance(result, _DiedError) and attempt < ATTEMPTS:
                    waiting.append((job, attempt + 1))
                else:
                    yield job, result
    finally:
        for slot in slots:
            slot.stop()


def _context(run: Callable[..., object]) -> Any:
    """Processes begin as children of a server that has imported what `run` needs, and has touched nothing else.

    Ctrl-C does not reach them, not even while they begin; it is for the one who gives the jobs.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin would slow the other workers down
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver, resource_tracker

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([run.__module__])
    resource_tracker.ensure_running()  # before, as it lets SIGINT through when it has begun
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which the server inherits, for all its life
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


class _DiedError(RunError):
    """The process of a job died."""


class _Slot:
    """A place for one process, which is replaced when it dies."""

    def __init__(self, context: Any, run: Callable[..., object], threads: int, device: str) -> None:
        self._context, self._run, self._threads, self._device = context, run, threads, device
        self._process: Any = None
        self.task: tuple[Any, int] | None = None
        """The job that it has, and how often it was begun."""

    def start(self, job: object, attempt: int) -> None:
        """Give it a job."""
        if self._process is None or not self._process.is_alive():
            self.stop()
            self._spawn()
        self.task = (job, attempt)
        with contextlib.suppress(OSError):  # it has just died, as `finish` will find out
            self._connection.send(job)

    @property
    def signs(self) -> list[Any]:
        """What is ready as soon as the job is done, or the process dead."""
        return [self._connection, self._process.sentinel]

    def finish(self) -> tuple[Any, int, Any]:
        """The job that it had, how often it was begun, and its result, or an exception."""
        assert self.task  # noqa: S101 - for the type checker
        (job, attempt), self.task = self.task, None
        try:
            return job, attempt, self._connection.recv()
        except (EOFError, OSError):
            return job, attempt, self._death()

    def stop(self) -> None:
        """End its process at once. Also where there is none."""
        if self._process is None:
            return
        self._process.terminate()
        self._process.join(PATIENCE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._forget()

    def _spawn(self) -> None:
        handle, log = tempfile.mkstemp(prefix="clipig-worker-", suffix=".log")
        os.close(handle)
        connection, other = self._context.Pipe()
        arguments = (self._run, other, self._threads, self._device, log)
        process = self._context.Process(target=_work, args=arguments, daemon=True)
        try:
            process.start()
        except BaseException:  # Ctrl-C, too
            connection.close()
            Path(log).unlink()
            raise
        finally:
            other.close()
        self._process, self._connection, self._log = process, connection, log

    def _death(self) -> _DiedError:
        self._process.join(PATIENCE)
        code = self._process.exitcode
        reason = f"with exit code {code}"
        if code is not None and code < 0:
            reason = f"of signal {-code}, {signal.strsignal(-code)}"
        words = Path(self._log).read_text("utf-8", "replace").strip()
        if len(words) > 2 * LAST_WORDS:
            words = f"{words[:LAST_WORDS]}\n[...]\n{words[-LAST_WORDS:]}"
        self.stop()
        return _DiedError(f"the process of this job died {reason}" + (f"; its last words:\n{words}" if words else ""))

    def _forget(self) -> None:
        self._connection.close()
        self._process.close()
        self._process = None
        with contextlib.suppress(OSError):
            Path(self._log).unlink()


def _ready(slots: Sequence[_Slot]) -> list[_Slot]:
    """Slots with a result, or with a process that has died; waits for one."""
    busy = [slot for slot in slots if slot.task]
    ready = set(wait([sign for slot in busy for sign in slot.signs]))
    return [slot for slot in busy if not ready.isdisjoint(slot.signs)]


def _work(run: Callable[[Any], object], connection: Connection, threads: int, device: str, log: str) -> None:
    """The life of a process: one job after the other."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it was not blocked before
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    try:
        file = os.open(log, os.O_WRONLY | os.O_APPEND)
    except FileNotFoundError:  # who wanted this process was interrupted before it began
        return
    os.dup2(file, 1)
    os.dup2(file, 2)
    faulthandler.enable(2)
    if device:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        os.ftruncate(file, 0)
        try:
            result = run(job)
        except Exception as error:
            result = portable(error)
        try:
            connection.send(result)
        except (AttributeError, TypeError, pickle.PicklingError) as error:
            connection.send(RunError(f"the result cannot be sent: {error}"))


def portable(error: Exception) -> Exception:
    """The error, or one that says the same, if it would not arrive."""
    try:
        return error if type(pickle.loads(pickle.dumps(error))) is type(error) else RunError(repr(error))  # noqa: S301
    except Exception:
        return RunError(repr(error))


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
