"""What all open pages are told: a snapshot first, then events.

Each event is encoded once and kept for a while; a page holds a position only. One that falls behind, or comes back,
gets a new snapshot, so ten pages cost what one costs, and a slow one costs nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

KEPT = 200
ALIVE_SECONDS = 15.0
MAX_PAGES = 50


class Events:
    """A stream of server-sent events for each page. Everything here happens in the event loop."""

    def __init__(self, snapshot: Callable[[], Any]) -> None:
        self.snapshot = snapshot
        self.pages = 0
        self.closed = False
        self._kept: deque[bytes] = deque(maxlen=KEPT)
        self._count = 0
        self._news = asyncio.Event()

    def publish(self, event: str, content: Any) -> None:
        """Tell all pages."""
        self._kept.append(encode(event, content))
        self._count += 1
        self._wake()

    def close(self) -> None:
        """End all streams."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def stream(self) -> AsyncIterator[bytes]:
        """What one page gets."""
        self.pages += 1
        try:
            seen = self._count
            yield encode("snapshot", self.snapshot())
            while not self.closed:
                missed = self._count - seen
                if missed > len(self._kept):
                    seen = self._count
                    yield encode("snapshot", self.snapshot())
                elif missed:
                    seen = self._count
                    yield b"".join(list(self._kept)[-missed:])
                else:
                    yield await self._next()
        finally:
            self.pages -= 1

    async def _next(self) -> bytes:
        """Wait for news; a comment now and then finds out whether the page is still there."""
        try:
            await asyncio.wait_for(self._news.wait(), ALIVE_SECONDS)
        except TimeoutError:
            return b": alive\n\n"
        return b""


def encode(event: str, content: Any) -> bytes:
    """An event as it is sent; JSON has no line breaks outside of escapes, so a line holds it."""
    return f"event: {event}\ndata: {json.dumps(content, allow_nan=False, default=str)}\n\n".encode()


class Curve:
    """Values over the epochs, thinned out evenly so that a long run stays small."""

    def __init__(self, most: int = 1000) -> None:
        self.most, self.stride, self._count = most, 1, 0
        self.points: list[dict[str, Any]] = []

    def add(self, epoch: int, values: Mapping[str, float | None]) -> None:
        """Take in a point."""
        if self._count % self.stride == 0:
            self.points.append({"epoch": epoch, "values": values})
        self._count += 1
        if len(self.points) > self.most:
            self.points, self.stride = self.points[::2], 2 * self.stride


class Moments:
    """Some earlier pictures of a run, the first among them, as evenly apart as can be."""

    def __init__(self, most: int = 24) -> None:
        self.most, self.stride, self._count = most, 1, 0
        self.frames: dict[str, bytes] = {}
        """By their numbers as addresses have them."""
        self._epochs: dict[str, int] = {}

    def add(self, epoch: int, number: str, frame: bytes) -> bool:
        """Take in a picture; whether it is kept for now."""
        kept = self._count % self.stride == 0
        self._count += 1
        if kept:
            self.frames[number], self._epochs[number] = frame, epoch
        if len(self.frames) > self.most:
            self.stride *= 2
            self.frames = {one: self.frames[one] for one in [*self.frames][::2]}
        return kept

    def told(self) -> list[dict[str, Any]]:
        return [{"epoch": self._epochs[number], "frame": int(number)} for number in self.frames]
