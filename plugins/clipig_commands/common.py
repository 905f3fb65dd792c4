"""What the commands share."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from clipig_core.kit import Node, Plan, Registry


def registry_of(ctx: click.Context) -> Registry:
    """What is installed: the registry that the command line has made already, or a new one."""
    from clipig_core.kit import Registry

    found: Registry = ctx.find_object(Registry) or Registry()
    return found


def plan_of(
    ctx: click.Context,
    sources: Sequence[str | Node],
    options: Mapping[str, str | None] | None = None,
    variables: Iterable[str] = (),
    changes: Iterable[str] = (),
) -> Plan:
    """The checked plan of configs and options.

    Raises:
        InputError: with every problem that was found.
    """
    from clipig_core.kit import given, pair, read

    wanted = dict(pair(variable, "--var") for variable in variables)
    values = given(options or {}) | ({"vars": wanted} if wanted else {})
    return read(sources, values, registry_of(ctx), [pair(change, "--set") for change in changes])


def as_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def columns() -> int:
    """The width of the terminal; without one 80."""
    return shutil.get_terminal_size((80, 0)).columns


def draws() -> bool:
    """Whether blocks and lines can be printed."""
    return (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") == "utf8"


def call(ctx: click.Context, name: str, args: Sequence[str]) -> None:
    """Call another command of `clipig`, as if it had been written.

    Raises:
        UsageError: there is none of this name, or it is used in a wrong way; who called it is shown how to do better.
    """
    root = ctx.find_root()
    command = root.command.get_command(root, name) if isinstance(root.command, click.Group) else None
    if command is None:
        raise click.UsageError(f"this needs the command 'clipig {name}'")
    try:
        with command.make_context(name, list(args), parent=root) as inner:
            command.invoke(inner)
    except click.UsageError as error:
        error.ctx = ctx
        raise
