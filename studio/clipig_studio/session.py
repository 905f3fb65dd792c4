"""The studio's state: jobs that wait, run and are done, and the processes in which they run."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from itertools import count
from pathlib import Path
from typing import Any

from clipig_studio.events import Events
from clipig_studio.job import MAX_LOG, Job
from clipig_studio.painter import Painter, environment
from clipig_studio.queue import Queue
from clipig_studio.worker import JOBS

MAX_WAITING = 100
MAX_JOBS = 300


class Session:
    """All that pages look at and act upon. Everything happens in the event loop.

    `workers` is how many jobs run at once; None is one for each GPU.
    """

    def __init__(self, folder: Path, read_only: bool = False, workers: int | None = None) -> None:
        self.folder, self.read_only, self.workers = folder, read_only, workers
        self.events = Events(self.snapshot)
        self.jobs: dict[int, Job] = {}
        self.job: Job | None = None
        """The one that is watched."""
        self.painters: list[Painter] = []
        self.log: deque[dict[str, Any]] = deque(maxlen=MAX_LOG)
        """What was said outside of jobs."""
        self._newest = (0, b"")
        """The last frame of what was watched, and its number."""
        self._gpus: list[str] = []
        self._ids, self._numbers = count(1), count(1)
        self._queue = Queue(folder)
        self.closing = False

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
        found = next(filter(None, (job.picture_of(number) for job in self.jobs.values())), b"")
        if found:
            return found
        newest = str(self._newest[0])
        known = number.isascii() and number.isdecimal() and len(number) <= len(newest) and int(number) <= int(newest)
        return self._newest[1] if known else b""

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
            self.jobs.pop(next(one.id for one in self.jobs.values() if one.over and one is not self.job))
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
        """Pause, go on, make one step, stop, undo or watch.

        Raises:
            LookupError: there is no such job, or it is over.
        """
        found = self.jobs.get(job)
        if not found or found.over:
            raise LookupError("this run is over")
        if found.state == "waiting":
            if what == "stop":
                found.state = "stopped"
                self._keep()
                self.events.publish("jobs", self.summaries())
        elif what == "watch":
            self.watch(found)
        else:
            self._painter_of(found).tell(what, found.id)

    def change(self, job: int, text: str) -> None:
        """Let a run go on with another config.

        Raises:
            LookupError: it does not run.
        """
        found = self.jobs.get(job)
        if not found or found.over or found.state == "waiting":
            raise LookupError("this run is over")
        self._painter_of(found).tell("change", found.id, text)

    def watch(self, job: Job) -> None:
        """Let pages see this one."""
        if self.job and self.job.over:
            self.job.forget()
        self.job = job
        self.events.publish("job", job.detail())

    # The processes

    def start(self) -> None:
        """Begin the first process. When it is ready it says which GPUs there are, and the others are begun."""
        self._paint(0)

    def _paint(self, number: int) -> None:
        known = environment(number, self.workers or len(self._gpus), self._gpus)
        self.painters.append(Painter(number, self.folder, known, self.receive, self.lost))

    def _painter_of(self, job: Job) -> Painter:
        return next(painter for painter in self.painters if painter.job is job)

    def _keep(self) -> None:
        self._queue.write([(job.kind, job.name, job.text) for job in self.jobs.values() if job.state == "waiting"])

    def _next(self) -> None:
        """Let whoever is free begin the next job."""
        self._keep()
        waiting = [job for job in self.jobs.values() if job.state == "waiting"]
        if self.closing or not waiting:
            return
        if not self.painters:
            self.start()
        for painter, job in zip([one for one in self.painters if one.free], waiting, strict=False):
            painter.job, job.state = job, "loading"
            painter.tell(job.kind, job.id, job.text)
            if not self.job or self.job.over:
                self.watch(job)
        self._keep()

    def lost(self, painter: Painter) -> None:
        """A process has ended by itself: say how, and start another one, unless it never came to life."""
        if self.closing:
            return
        self.painters.remove(painter)
        if painter.job and not painter.free:
            job = painter.job
            self._release(job)
            kept = f"; the picture is that of its last snapshot, {job.picture}" if job.picture else ""
            self.finish(job, "failed", f"the process of the run {painter.ending()}{kept}")
        if painter.ready:
            self._paint(painter.number)
            self._next()

    def _release(self, job: Job) -> None:
        """Give up the names of a job that wrote nothing."""
        image = self.folder / job.picture
        if job.picture and not (image.is_file() and image.stat().st_size):
            for path in (image, image.with_suffix(".yaml")):
                path.unlink(missing_ok=True)
            job.picture = ""

    def receive(self, painter: Painter, message: dict[str, Any]) -> None:
        """What a process says."""
        event = message.pop("event")
        painter.ready = True
        if event == "ready":
            self.on_ready(message["gpus"])
        elif event == "log":
            self.on_log(painter.job, message)
        elif (job := painter.job) and job.id == message.pop("job"):
            getattr(self, f"on_{event}")(job, **message)

    def on_ready(self, gpus: list[str]) -> None:
        if not self._gpus:
            self._gpus = gpus
        if len(self.painters) == 1 and not self.closing:
            for number in range(1, self.workers or len(self._gpus)):
                self._paint(number)
            self._next()

    def on_log(self, job: Job | None, line: dict[str, Any]) -> None:
        (job.log if job else self.log).append(line)
        self.publish("log", job or self.job, line)

    def publish(self, event: str, job: Job | None, content: dict[str, Any]) -> None:
        """Tell pages what only those want to know that watch a job."""
        if job is self.job:
            self.events.publish(event, content)

    def on_begin(self, job: Job, picture: str, text: str) -> None:
        job.picture, job.text = picture, text
        self._tell_changes(job)
        self.events.publish("jobs", self.summaries())

    def on_state(self, job: Job, state: str) -> None:
        job.state = state
        self.events.publish("jobs", self.summaries())

    def on_step(self, job: Job, frame: bytes, values: dict[str, float] | None = None, **numbers: Any) -> None:
        job.add(next(self._numbers), frame)
        if job is self.job:
            self._newest = (job.frame, frame)
        if values is not None:
            finite = {name: value if math.isfinite(value) else None for name, value in values.items()}  # as JSON has it
            job.curve.add(numbers["epoch"], finite)
            job.step = {**numbers, "values": finite}
            if job.moments.add(numbers["epoch"], str(job.frame), frame):
                self.publish("moments", job, {"job": job.id, "moments": job.moments.told()})
        self.publish("step", job, {"job": job.id, "frame": job.frame, **({"step": job.step} if numbers else {})})

    def on_changed(self, job: Job, epoch: int, text: str, note: str, undo: int) -> None:
        job.changes.append({"epoch": epoch, "before": job.text, "text": text, "note": note})
        del job.changes[:-50]
        job.text, job.undo = text, undo
        self._tell_changes(job)

    def _tell_changes(self, job: Job) -> None:
        known = {"job": job.id, "changes": job.changes, "text": job.text, "undo": job.undo}
        self.publish("changed", job, known)

    def on_refused(self, job: Job, message: str) -> None:
        self.publish("refused", job, {"job": job.id, "message": message})

    def on_end(self, job: Job, state: str, message: str) -> None:
        if state == "failed":
            self._release(job)
        self.finish(job, state, message)
        self._next()

    def finish(self, job: Job, state: str, message: str) -> None:
        job.state, job.message = state, message
        if message:
            self.on_log(job, {"message": message, "time": time.time()})
        if job is not self.job:
            job.forget()
        self.events.publish("jobs", self.summaries())

    async def close(self, seconds: float) -> None:
        """End the processes; a run saves its picture if its epoch ends in time, else its last snapshot stays."""
        self.closing = True
        await asyncio.gather(*(painter.close(seconds) for painter in self.painters))
        for painter in self.painters:
            if painter.job:
                self._release(painter.job)
