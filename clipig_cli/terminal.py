"""What people see on stderr: lines that stay and, in a terminal, one below them that changes."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import textwrap
import unicodedata
from typing import TextIO

import click

from clipig_core.errors import printable

NO_TERMINAL = 80


def cells(text: str) -> int:
    """How many columns a text takes; letters of East Asia take two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


class Terminal:
    """Lines on a stream. A run does not depend on somebody reading them, so errors of writing are ignored.

    The line that changes is never as wide as the terminal. If the terminal has become narrower, the rows that the line
    takes now are cleared.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = sys.stderr if stream is None else stream
        usable = self.stream is not None and not self.stream.closed
        self.live = usable and self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self.colored = self.live and not os.environ.get("NO_COLOR")
        self._shown = ""

    @property
    def columns(self) -> int:
        """How wide it is now."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            return os.get_terminal_size(self.stream.fileno()).columns or NO_TERMINAL
        return NO_TERMINAL

    @property
    def drawing(self) -> bool:
        """Whether it can show lines that are drawn."""
        return (getattr(self.stream, "encoding", None) or "").lower().replace("-", "") == "utf8"

    def say(self, text: str, color: str | None = None, *, dim: bool | None = None) -> None:
        """Write a line that stays, above the one that changes."""
        shown, styled = self._shown, click.style(text, fg=color, dim=dim) if self.colored and (color or dim) else text
        self._write(f"{self._erased()}{styled}\n")
        if shown:
            self.show(shown)

    def fold(self, text: str) -> None:
        """Write a line that stays, in several if it is too long for the terminal; a file gets it whole."""
        indent = " " * (len(text) - len(text.lstrip()) + 4)
        room = max(20, self.columns - 1) if self.live else len(text) + 1
        for line in textwrap.wrap(text, room, subsequent_indent=indent, break_on_hyphens=False):
            self.say(line)

    def show(self, text: str) -> None:
        """Write the line that changes; nothing where there is no terminal."""
        if self.live:
            self._write(self._erased() + text)
            self._shown = text

    def clear(self) -> None:
        """Take the line that changes away."""
        self._write(self._erased())

    def _erased(self) -> str:
        """What takes the line away that changes, with the rows that it fills by now."""
        if not self._shown:
            return ""
        rows = (cells(click.unstyle(self._shown)) - 1) // self.columns
        self._shown = ""
        return (f"\x1b[{rows}A" if rows > 0 else "") + "\r\x1b[J"

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self.stream.write(text)
            self.stream.flush()


class Messages(logging.Handler):
    """The log, on a terminal. What was said last is not said again: two models may have the same to say of a text."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self.terminal, self._last = terminal, ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == self._last:
            return
        self._last = record.getMessage()
        color = "red" if record.levelno >= logging.ERROR else "yellow"
        self.terminal.say("\n".join(map(printable, self._last.splitlines())), color)
