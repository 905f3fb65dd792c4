"""A process in which runs live, one after the other.

It is spawned by the server, gets commands through a pipe, and answers with messages, which are mappings. What it does
to itself, such as running out of memory, harms neither the server nor the page. If the server dies, the pipe ends, and
so does the run, with its picture saved.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click

from clipig_core import ClipigError, kit
from clipig_studio.check import name_of, read

MAX_UNDO = 10

JOBS = ("run", "film", "resume")
"""What a job may be: a run, one with a film of it, or one that goes on."""

OUTPUTS: Mapping[str, Any] = {"checkpoint": {"interval": 30.0}}
"""What every run writes; one that goes on writes what it did before."""

Command = tuple[str, int, str]
"""What to do, with which job, and a text: a config, or the name of the picture that is gone on with."""

Message = dict[str, Any]


def main(connection: Connection, folder: str, environment: Mapping[str, str]) -> None:
    """Serve until the pipe ends or `quit` comes."""
    os.environ.update(environment)  # before torch is loaded, which reads it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the server decides
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.chdir(folder)
    Worker(connection).serve()
    os._exit(0)  # all files are written; taking torch apart would take longer than Ctrl-C may


class Worker:
    """Commands in, messages out."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.inbox: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self.registry = kit.Registry()
        self._sending = threading.Lock()
        logger = logging.getLogger("clipig")
        logger.addHandler(_Forward(self))
        logger.propagate = False
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                self.inbox.put(self.connection.recv())
        self.inbox.put(("quit", 0, ""))

    def send(self, event: str, **content: Any) -> None:
        """Tell the server; nobody may be there any more."""
        with contextlib.suppress(OSError), self._sending:
            self.connection.send({"event": event, **content})

    def serve(self) -> None:
        """Do one job after the other."""
        kit.Run  # noqa: B018 - loads torch now, not when somebody waits
        self.send("ready", gpus=kit.gpus())
        while True:
            what, job, text = self.inbox.get()
            if what == "quit":
                return
            if what in JOBS:
                self.work(what, job, text)

    def work(self, what: str, job: int, text: str) -> None:
        """One run, from its config to its picture; whatever goes wrong is a message."""
        try:
            Work(self, job, what, text).run()
        except (ClipigError, click.ClickException) as error:
            self.send("end", job=job, state="failed", message=str(error))
        except Exception as error:
            logging.getLogger("clipig").exception("the studio failed")
            self.send("end", job=job, state="failed", message=f"{type(error).__name__}: {error}")


class Work:
    """One run that can be paused, changed and stopped between its epochs."""

    def __init__(self, worker: Worker, job: int, what: str, text: str) -> None:
        self.worker, self.job, self.what, self.text = worker, job, what, text
        self.outputs = {**OUTPUTS, "video": None} if what == "film" else OUTPUTS
        self.paused = False
        self.undos: list[tuple[str, Any, Any]] = []
        """Of each change: the config before it, its plan, and the state of the run."""

    def send(self, event: str, **content: Any) -> None:
        self.worker.send(event, job=self.job, **content)

    def run(self) -> None:
        if self.what == "resume":
            return self.resume()
        plan = self.read(self.text)
        output = kit.Output.claim("./", name_of(plan), lambda path: files(plan, path))
        return self.paint(plan, output)

    def read(self, text: str) -> kit.Plan:
        return read(text, self.worker.registry, self.outputs)

    def resume(self) -> None:
        """Go on with the picture whose name is the text, by the command that does so elsewhere."""
        command = self.worker.registry.find("command", "resume").loaded
        with command.make_context("resume", ["--", self.text], obj=self.worker.registry) as context:
            context.meta["clipig.go_on"] = self.go_on
            command.invoke(context)

    def go_on(self, plan: kit.Plan, before: kit.Plan, image: Path, begin: Callable[[kit.Run], None]) -> bool:
        """What `clipig resume` calls when it has read the checkpoint."""
        self.text = kit.as_yaml(plan)
        base = image.with_suffix("")
        self.paint(plan, kit.Output.again(image, files(before, base), files(plan, base)), begin)
        return True

    def paint(self, plan: kit.Plan, output: kit.Output, begin: Callable[[kit.Run], None] = lambda _: None) -> None:
        """Make the picture, seen by everybody."""
        from clipig_studio.view import View

        self.send("begin", picture=output.image.name, text=self.text)
        picture = kit.PictureFile(output, plan.settings.fixed.snapshot_interval)
        try:
            others = kit.outputs(plan, output.image.with_suffix(""))
            self.current = kit.Run(plan)
            begin(self.current)
            self.view = View(self.send)
            self.send("state", state="running")
            result = kit.execute(self.current, [self.view, picture, *others], self.between)
        finally:
            picture.close()
        failure = result.error or next((one for one in result.failures if isinstance(one, ClipigError)), None)
        state = "failed" if failure else "stopped" if result.stopped else "done"
        self.send("end", state=state, message=str(failure or ""))

    def between(self) -> bool:
        """After each epoch: do what was asked for. Returns whether to stop; waits here while paused."""
        while True:
            try:
                command = self.worker.inbox.get(block=self.paused)
            except queue.Empty:
                return False
            what, job, text = command
            if what == "quit":
                self.worker.inbox.put(command)
                return True
            if job == self.job:
                if what == "stop":
                    return True
                if what == "step":
                    self.pause(True)
                    self.view.wanted = True
                    return False
                if what in ("pause", "go"):
                    self.pause(what == "pause")
                elif what in ("change", "undo"):
                    self.steer(what, text)

    def pause(self, paused: bool) -> None:
        self.paused = paused
        if paused and self.current.last:
            self.view.show(self.current.last)
        self.view.restart()
        self.send("state", state="paused" if paused else "running")

    def steer(self, what: str, text: str) -> None:
        """Change the config or undo that; a refusal changes nothing."""
        try:
            self.undo() if what == "undo" else self.change(text)
        except Exception as error:
            self.send("refused", message=str(error) if isinstance(error, ClipigError) else repr(error))

    def change(self, text: str) -> None:
        """Go on with another config."""
        before = (self.text, self.current.plan, copy.deepcopy(self.current.state_dict()))
        lost = self.current.change(self.read(text))
        self.text, self.undos = text, [*self.undos, before][-MAX_UNDO:]
        self._changed("; ".join(lost))

    def undo(self) -> None:
        """Back to the config before the last change, and to the picture that was there."""
        if self.undos:
            text, plan, state = self.undos[-1]
            self.current.change(plan, state)
            self.text = text
            self.undos.pop()
            self._changed("undone")

    def _changed(self, note: str) -> None:
        self.send("changed", epoch=self.current.epoch, text=self.text, note=note, undo=len(self.undos))
        self.view.picture(self.current.image)
        self.view.restart()


def files(plan: kit.Plan, base: Path) -> list[Path]:
    """What the outputs of a config write beside a picture, whose path without ending is given."""
    return [Path(file) for output in kit.outputs(plan, base) for file in getattr(output, "files", ())]


class _Forward(logging.Handler):
    """Sends what is logged to the page."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(logging.WARNING)
        self.worker = worker

    def emit(self, record: logging.LogRecord) -> None:
        self.worker.send("log", message=self.format(record), time=time.time())
