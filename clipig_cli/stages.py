"""What people see before a run: what is being done, and how long it took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from clipig_cli.terminal import Terminal


class Stages:
    """What is being loaded, said when it begins; how long it took, said in the end."""

    def __init__(self, terminal: Terminal, verbose: int) -> None:
        self.terminal, self.verbose = terminal, verbose
        self.times: list[tuple[str, float]] = []

    @contextlib.contextmanager
    def loading(self, name: str) -> Iterator[None]:
        """Says what is loaded inside: on a line that goes away, or on one that stays where there is no terminal."""
        if self.verbose and self.terminal.live:
            self.terminal.show(f"loading {name} ..."[: self.terminal.columns - 1])
        elif self.verbose:
            self.terminal.say(f"loading {name} ...")
        before = time.monotonic()
        try:
            yield
        finally:
            self.terminal.clear()
        self.times.append((name, time.monotonic() - before))

    def __str__(self) -> str:
        return "loaded " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.times)
