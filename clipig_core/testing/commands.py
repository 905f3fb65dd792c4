"""The check of commands."""

from __future__ import annotations

from typing import Any

import click
from click.testing import CliRunner

from clipig_core.extension.kinds import COMMAND
from clipig_core.testing.base import _Subject

__tracebackhide__ = True


def check_command(command: Any, /) -> None:
    """Check a command of click: that its help says what it does, and what each option means."""
    subject = _Subject(COMMAND, command)
    subject.need(
        isinstance(command, click.Command),
        f"is {type(command).__name__}, not a command",
        "decorate it with click.command()",
    )
    subject.need(bool(command.help), "has no docstring", "say what it does, for `clipig --help`")
    subject.need("\\b\n" not in command.help, "shows '\\b' in its help", "leave out the r before the docstring")
    for option in command.params:
        subject.need(
            not isinstance(option, click.Option) or option.hidden or bool(option.help),
            f"option '{option.name}' has no help",
            "say what it means: click.option(..., help=...)",
        )
    done = CliRunner().invoke(command, ["--help"])
    subject.need(done.exit_code == 0, f"its --help fails: {done.exception}", "let it work without arguments")
