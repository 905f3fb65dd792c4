"""A config that waits, runs or is done."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from clipig_studio.events import Curve, Moments

MAX_LOG = 200
FRAMES = 8
"""How many of the last frames can be asked for."""

ENDED = ("done", "stopped", "failed")


@dataclass
class Job:
    """What pages know of it."""

    id: int
    kind: str
    """One of `worker.JOBS`: what the process is told to do."""
    name: str
    text: str
    state: str = "waiting"
    message: str = ""
    picture: str = ""
    """The name of its file, once it has one."""
    step: dict[str, Any] = field(default_factory=dict)
    """The last epoch: its numbers, and how many are left."""
    changes: list[dict[str, Any]] = field(default_factory=list)
    undo: int = 0
    """How many changes can be undone."""
    frame: int = 0
    """The number of its newest picture."""
    frames: dict[str, bytes] = field(default_factory=dict)
    """The last few, by their numbers as addresses have them."""
    curve: Curve = field(default_factory=Curve)
    moments: Moments = field(default_factory=Moments)
    log: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MAX_LOG))

    @property
    def over(self) -> bool:
        return self.state in ENDED

    @property
    def shown(self) -> str:
        """Its config, or that of the picture that it goes on with, once it has been read."""
        return "" if self.kind == "resume" and not self.picture else self.text

    def picture_of(self, number: str) -> bytes:
        """A frame by its number; empty if it is not there."""
        return self.frames.get(number) or self.moments.frames.get(number, b"")

    def add(self, number: int, frame: bytes) -> None:
        """Take in its newest picture."""
        self.frame = number
        self.frames[str(number)] = frame
        while len(self.frames) > FRAMES:
            self.frames.pop(next(iter(self.frames)))

    def forget(self) -> None:
        """What only somebody who watches it wants to know."""
        self.curve, self.moments, self.frames = Curve(), Moments(), {}

    def summary(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("id", "kind", "name", "state", "message", "picture")}

    def detail(self) -> dict[str, Any]:
        known = {"text": self.shown, "step": self.step, "changes": self.changes, "undo": self.undo, "frame": self.frame}
        course = {"points": self.curve.points, "moments": self.moments.told(), "log": list(self.log)}
        return {**self.summary(), **known, **course}
