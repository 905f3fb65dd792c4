"""What keeps observers from costing the run anything: a thread of their own, and a rhythm."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Background(Generic[Item]):
    """Does `work(item)` for one item after the other, in a thread of its own.

    At most `room` items wait. If there are more, the newest takes the place of the one before it, and `left_out` counts
    that: a run never waits, and what is kept for later does not grow.
    """

    def __init__(self, work: Callable[[Item], None], room: int = 8) -> None:
        self.work, self.room, self.left_out = work, room, 0
        self._waiting: deque[Item] = deque()
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "background")
        self._working: Future[None] | None = None
        self._idle = True

    def put(self, item: Item) -> None:
        """Hand over an item, and return at once.

        Raises:
            Exception: the work on an earlier item did.
        """
        if self._working and self._working.done():
            self._working.result()
        with self._lock:
            if len(self._waiting) == self.room:
                self._waiting.pop()
                self.left_out += 1
            self._waiting.append(item)
            if self._idle:
                self._idle = False
                self._working = self._thread.submit(self._work)

    def finish(self) -> None:
        """Wait until all is done; nothing can be put after that.

        Raises:
            Exception: the work on an item did.
        """
        self._thread.shutdown()
        if self._working:
            self._working.result()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._idle = True
                    return
                item = self._waiting.popleft()
            self.work(item)


class Rhythm:
    """Says when it is time again: after the first epoch, then every `interval` epochs (int) or seconds (float).

    An interval of 0 is never.
    """

    def __init__(self, interval: int | float) -> None:
        self.interval = interval
        self._last = float("-inf")

    def due(self, done: int) -> bool:
        """Whether something should happen now that so many epochs are done; asked once after each."""
        if isinstance(self.interval, int):
            return self.interval > 0 and (done == 1 or done % self.interval == 0)
        now = time.monotonic()
        if self.interval <= 0 or now - self._last < self.interval:
            return False
        self._last = now
        return True
