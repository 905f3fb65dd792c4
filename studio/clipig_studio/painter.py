"""A process in which runs live, as the server sees it."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipig_core import kit
from clipig_studio.worker import main

if TYPE_CHECKING:
    from clipig_studio.job import Job


class Painter:
    """One process, which does one job at a time. Everything but the reading of its pipe happens in the event loop."""

    def __init__(
        self,
        number: int,
        folder: Path,
        environment: Mapping[str, str],
        hear: Callable[[Painter, dict[str, Any]], None],
        lose: Callable[[Painter], None],
    ) -> None:
        """Spawn it, so that it is warm when a job comes. `hear` gets what it says, `lose` is called when it is dead."""
        self.number = number
        """Which of the painters it is, or takes the place of."""
        self.job: Job | None = None
        """What it does, or did last."""
        self.ready = False
        """Whether it has come to life."""
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self.process = context.Process(target=main, args=(theirs, str(folder), dict(environment)), daemon=True)
        self.process.start()
        theirs.close()
        arguments = (asyncio.get_running_loop(), hear, lose)
        threading.Thread(target=self._listen, args=arguments, daemon=True).start()

    @property
    def free(self) -> bool:
        """Whether it can be given a job."""
        return self.job is None or self.job.over

    def tell(self, what: str, job: int, text: str = "") -> None:
        """Ask for something."""
        with contextlib.suppress(OSError):  # it has just died, which is told soon
            self._connection.send((what, job, text))

    async def close(self, seconds: float) -> None:
        """End it; a run saves its picture if its epoch ends in time, else its last snapshot stays."""
        self.tell("quit", 0)
        await asyncio.to_thread(self.process.join, seconds)
        if self.process.is_alive():
            self.process.kill()

    def ending(self) -> str:
        """How it ended, in words."""
        code = self.process.exitcode
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                return f"was killed by {signal.Signals(-code).name}" + (" (out of memory?)" if code == -9 else "")
        return f"ended with {code}"

    def _listen(self, loop: asyncio.AbstractEventLoop, hear: Callable[..., None], lose: Callable[..., None]) -> None:
        """Pass on what it says, in a thread of its own, to the end."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                loop.call_soon_threadsafe(hear, self, self._connection.recv())
        self.process.join()
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(lose, self)


def environment(number: int, count: int, gpus: list[str]) -> dict[str, str]:
    """What a painter of several needs: a GPU of its own, and no more threads than its share of the cores."""
    found = {}
    if count > 1 and "OMP_NUM_THREADS" not in os.environ:
        found["OMP_NUM_THREADS"] = str(max(1, kit.cores() // count))
    if count > 1 and gpus:
        found["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
    return found
