"""The studio's state: jobs that wait, run and are done, and the process in which they run."""

from __future__ import annotations

import asyncio
import contextlib
import math
import multiprocessing
import signal
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from clipig_studio.events import Curve, Events, Moments
from clipig_studio.queue import Queue
from clipig_studio.worker import JOBS, main

MAX_WAITING = 100
MAX_JOBS = 300
MAX_LOG = 200
FRAMES = 8
"""How many of the last frames can be asked for."""

ENDED = ("done", "stopped", "failed")


@dataclass
class Job:
    """A config that waits, runs or is done."""

    id: int
    kind: str
    """One of `JOBS`: what the process is told to do."""
    name: str
    text: str
    state: str = "waiting"
    message: str = ""
    picture: str = ""
    """The name of its file, once it has one."""
    step: dict[str, Any] = field(default_factory=dict)
    """The last epoch: its numbers, and how many are left."""
    curve: Curve = field(default_factory=Curve)
    changes: list[dict[str, Any]] = field(default_factory=list)
    undo: int = 0
    """How many changes can be undone."""
    frame: int = 0
    """The number of its newest picture."""
    moments: Moments = field(default_factory=Moments)

    @property
    def shown(self) -> str:
        """Its config, or that of the picture that it goes on with, once it has been read."""
        return "" if self.kind == "resume" and not self.picture else self.text

    def summary(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("id", "kind", "name", "state", "message", "picture")}

    def detail(self) -> dict[str, Any]:
        known = {"text": self.shown, "step": self.step, "changes": self.changes, "undo": self.undo, "frame": self.frame}
        return {**self.summary(), **known, "points": self.curve.points, "moments": self.moments.told()}


class Session:
    """All that pages look at and act upon. Everything but the reading of the pipe happens in the event loop."""

    def __init__(self, folder: Path, read_only: bool = False) -> None:
        self.folder, self.read_only = folder, read_only
        self.events = Events(self.snapshot)
        self.jobs: dict[int, Job] = {}
        self.job: Job | None = None
        """The one that runs, or ran last."""
        self.log: deque[dict[str, Any]] = deque(maxlen=MAX_LOG)
        self.frames: dict[str, bytes] = {}
        """The last few, by their numbers as addresses have them."""
        self._ids, self._numbers = count(1), count(1)
        self._queue = Queue(folder)
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None
        self._ready = self.closing = False

    # What pages see

    def snapshot(self) -> dict[str, Any]:
        return {
            "folder": self.folder.name,
            "readOnly": self.read_only,
            "jobs": self.summaries(),
            "job": self.job.detail() if self.job else None,
            "log": list(self.log),
        }

    def summaries(self) -> list[dict[str, Any]]:
        return [job.summary() for job in self.jobs.values()]

    def frame(self, number: str) -> bytes:
        """A frame by its number, the newest one if it is not there any more; empty if it never was."""
        if self.job and number in self.job.moments.frames:
            return self.job.moments.frames[number]
        newest = next(reversed(self.frames), "")
        old = number.isascii() and number.isdecimal() and len(number) <= len(newest) and int(number) < int(newest or 0)
        return self.frames.get(newest if old and number not in self.frames else number, b"")

    @property
    def running(self) -> Job | None:
        return self.job if self.job and self.job.state not in ENDED else None

    # What pages ask for

    def enqueue(self, kind: str, text: str, name: str) -> Job:
        """Let a config run, or go on with a picture, as soon as those before it are done.

        Raises:
            ValueError: too many wait.
        """
        if sum(job.state == "waiting" for job in self.jobs.values()) >= MAX_WAITING:
            raise ValueError(f"{MAX_WAITING} runs are waiting already")
        job = self._wait(kind, name, text)
        while len(self.jobs) > MAX_JOBS:
            self.jobs.pop(next(one.id for one in self.jobs.values() if one.state in ENDED and one is not self.job))
        self._next()
        self.events.publish("jobs", self.summaries())
        return job

    def restore(self) -> None:
        """Take up what waited when the studio ended last time."""
        for kind, name, text in self._queue.read():
            if kind in JOBS:
                self._wait(kind, name, text)
        self._next()

    def _wait(self, kind: str, name: str, text: str) -> Job:
        job = Job(next(self._ids), kind, name, text)
        self.jobs[job.id] = job
        return job

    def control(self, what: str, job: int) -> None:
        """Pause, go on, make one step, stop or undo.

        Raises:
            LookupError: there is no such job, or it is over.
        """
        found = self.jobs.get(job)
        if not found or found.state in ENDED:
            raise LookupError("this run is over")
        if found is self.job:
            self._tell(what, found)
        elif what == "stop":
            found.state = "stopped"
            self._keep()
            self.events.publish("jobs", self.summaries())

    def change(self, job: int, text: str) -> None:
        """Let the run go on with another config.

        Raises:
            LookupError: it does not run.
        """
        running = self.running
        if not running or running.id != job:
            raise LookupError("this run is over")
        self._tell("change", running, text)

    # The process

    def start(self) -> None:
        """Spawn the process, so that it is warm when the first job comes."""
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=main, args=(theirs, str(self.folder)), daemon=True)
        self._process.start()
        self._ready = False
        theirs.close()
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._listen, args=(loop, self._process, self._connection), daemon=True).start()

    def _listen(self, loop: asyncio.AbstractEventLoop, process: Any, connection: Connection) -> None:
        """Pass on what the process says, in a thread of its own, to the end."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                loop.call_soon_threadsafe(self.receive, connection.recv())
        process.join()
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(self.lost, process)

    def _tell(self, what: str, job: Job, text: str = "") -> None:
        with contextlib.suppress(OSError):  # it has just died, which is told soon
            if self._connection:
                self._connection.send((what, job.id, text))

    def _keep(self) -> None:
        self._queue.write([(job.kind, job.name, job.text) for job in self.jobs.values() if job.state == "waiting"])

    def _next(self) -> None:
        """Begin the next job if none runs."""
        self._keep()
        waiting = next((job for job in self.jobs.values() if job.state == "waiting"), None)
        if self.running or not waiting or self.closing:
            return
        if not self._process:
            self.start()
        if self.job:
            self.job.curve, self.job.moments = Curve(), Moments()
        self.job, waiting.state = waiting, "loading"
        self._keep()
        self.log.clear()
        self._tell(waiting.kind, waiting, waiting.text)
        self.events.publish("job", waiting.detail())

    def lost(self, process: multiprocessing.process.BaseProcess) -> None:
        """The process has ended by itself: say how, and start another one, unless it never came to life."""
        if self.closing or process is not self._process:
            return
        self._process = None
        if running := self.running:
            self._release(running)
            kept = f"; the picture is that of its last snapshot, {running.picture}" if running.picture else ""
            self.finish(running, "failed", f"the process of the run {ending(process.exitcode)}{kept}")
        if self._ready:
            self.start()
            self._next()

    def _release(self, job: Job) -> None:
        """Give up the names of a job that wrote nothing."""
        image = self.folder / job.picture
        if job.picture and not (image.is_file() and image.stat().st_size):
            for path in (image, image.with_suffix(".yaml")):
                path.unlink(missing_ok=True)
            job.picture = ""

    def receive(self, message: dict[str, Any]) -> None:
        """What the process says."""
        event = message.pop("event")
        self._ready = True
        if event == "log":
            self.log.append(message)
            self.events.publish("log", message)
        job = self.jobs.get(message.pop("job", 0))
        if job and job is self.job:
            getattr(self, f"on_{event}")(job, **message)

    def on_begin(self, job: Job, picture: str, text: str) -> None:
        job.picture, job.text = picture, text
        self._tell_changes(job)
        self.events.publish("jobs", self.summaries())

    def on_state(self, job: Job, state: str) -> None:
        job.state = state
        self.events.publish("jobs", self.summaries())

    def on_step(self, job: Job, frame: bytes, values: dict[str, float] | None = None, **numbers: Any) -> None:
        job.frame = next(self._numbers)
        self.frames[str(job.frame)] = frame
        self.frames.pop(str(job.frame - FRAMES), None)
        if values is not None:
            finite = {name: value if math.isfinite(value) else None for name, value in values.items()}  # as JSON has it
            job.curve.add(numbers["epoch"], finite)
            job.step = {**numbers, "values": finite}
            if job.moments.add(numbers["epoch"], str(job.frame), frame):
                self.events.publish("moments", {"job": job.id, "moments": job.moments.told()})
        self.events.publish("step", {"job": job.id, "frame": job.frame, **({"step": job.step} if numbers else {})})

    def on_changed(self, job: Job, epoch: int, text: str, note: str, undo: int) -> None:
        job.changes.append({"epoch": epoch, "before": job.text, "text": text, "note": note})
        del job.changes[:-50]
        job.text, job.undo = text, undo
        self._tell_changes(job)

    def _tell_changes(self, job: Job) -> None:
        known = {"job": job.id, "changes": job.changes, "text": job.text, "undo": job.undo}
        self.events.publish("changed", known)

    def on_refused(self, job: Job, message: str) -> None:
        self.events.publish("refused", {"job": job.id, "message": message})

    def on_end(self, job: Job, state: str, message: str) -> None:
        if state == "failed":
            self._release(job)
        self.finish(job, state, message)
        self._next()

    def finish(self, job: Job, state: str, message: str) -> None:
        job.state, job.message = state, message
        if message:
            self.log.append({"message": message, "time": time.time()})
            self.events.publish("log", self.log[-1])
        self.events.publish("jobs", self.summaries())

    async def close(self, seconds: float) -> None:
        """End the process; a run saves its picture if its epoch ends in time, else its last snapshot stays."""
        self.closing = True
        if not self._process or not self._connection:
            return
        with contextlib.suppress(OSError):
            self._connection.send(("quit", 0, ""))
        await asyncio.to_thread(self._process.join, seconds)
        if self._process.is_alive():
            self._process.kill()
        if self.job:
            self._release(self.job)


def ending(code: int | None) -> str:
    """How a process ended, in words."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(-code).name}" + (" (out of memory?)" if code == -9 else "")
    return f"ended with {code}"
