"""What people see before a run: what is being done, and how long it took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from clipig_cli.terminal import Terminal


class Stages:
    """What is being loaded, said when it begins; how long it took, said in the end."""

    def __init__(self, terminal: Terminal, verbose: bool) -> None:
        self.terminal, self.verbose = terminal, verbose
        self.times: list[tuple[str, float]] = []

    @contextlib.contextmanager
    def loading(self, name: str, *, silent: bool = False) -> Iterator[None]:
        """Says what is loaded inside, on a line that goes away; where there is no terminal on one that stays.

        With `silent` it is said in terminals only.
        """
        if self.verbose and self.terminal.live:
            self.terminal.show(f"loading {name} ..."[: self.terminal.columns - 3])
        elif self.verbose and not silent:
            self.terminal.say(f"loading {name} ...")
        before = time.monotonic()
        try:
            yield
        finally:
            self.terminal.clear()
        self.times.append((name, time.monotonic() - before))

    def done(self) -> None:
        """Say how long it took."""
        if self.verbose:
            times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.times)
            self.terminal.say(f"loaded {times}", dim=True)
        self.times.clear()
