"""What users and plugins can do wrong, as exceptions that say where it is and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

MAX_LISTED = 40
MAX_PROBLEMS = 20
MAX_TEXT = 500


def printable(line: str) -> str:
    """A line with escapes for characters that would end it, or that a terminal would obey."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)


def printable_lines(text: str) -> str:
    """A text of several lines, each of them printable."""
    return "\n".join(map(printable, text.split("\n")))


def shortened(text: str) -> str:
    """A text of at most `MAX_TEXT` characters, with its beginning and its end."""
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 105]} ... {text[-100:]}"


@dataclass(frozen=True)
class Place:
    """Where something was written: `demo.yaml:12:7`, or an option such as `--learnrate`."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, where it is, and what would be right."""

    message: str
    place: Place | None = None
    hint: str = ""

    def __str__(self) -> str:
        text = shortened(self.message)
        text = f"{self.place}: {text}" if self.place else text
        return f"{text} ({shortened(self.hint)})" if self.hint else text


class ClipigError(Exception):
    """A failure with a message for people; `exit_code` is what the command line returns."""

    exit_code = 1


class InputError(ClipigError):
    """The input is wrong. Holds every problem that was found, not just the first."""

    exit_code = 2

    def __init__(self, problems: str | Problem | Sequence[Problem]) -> None:
        if isinstance(problems, str):
            problems = Problem(problems)
        self.problems = [problems] if isinstance(problems, Problem) else list(problems)
        lines = [printable(str(problem)) for problem in self.problems[:MAX_PROBLEMS]]
        if len(self.problems) > MAX_PROBLEMS:
            lines.append(f"and {len(self.problems) - MAX_PROBLEMS} more")
        super().__init__("\n".join(lines))

    def at(self, place: Place | None) -> InputError:
        """The same, with `place` for the problems that have none."""
        return InputError([replace(problem, place=problem.place or place) for problem in self.problems])


def raise_all(problems: Iterable[Problem]) -> None:
    """Raises InputError with all problems, in the order of their places, if there are any."""
    if listed := sorted(problems, key=lambda p: (p.place.source, p.place.line, p.place.column) if p.place else ("",)):
        raise InputError(listed)


class PluginError(ClipigError):
    """A component of a plugin breaks its contract, or could not be loaded."""


class RunError(ClipigError):
    """The run could not go on, though its input was right."""


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean 'blur'?` when something known is close to `name`, else a list of what is known, if it is short."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known: {', '.join(names)}" if 0 < len(names) <= MAX_LISTED else ""


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """`unknown transform 'blurr' (did you mean 'blur'?)`."""
    return str(Problem(f"unknown {what} '{name}'", hint=nearest(name, known)))
