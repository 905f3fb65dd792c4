"""`clipig diff`: what differs between two configs or pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from clipig_commands.common import as_json, plan_of
from clipig_core.kit import ABSENT, files, printable

if TYPE_CHECKING:
    from clipig_core.kit import Node

UNTOLD = ("output", "verbose", "device")
"""What says nothing about the picture."""


@click.command()
@click.argument("before", metavar="A", shell_complete=files)
@click.argument("after", metavar="B", shell_complete=files)
@click.option("--json", "structured", is_flag=True, help="Print JSON.")
@click.pass_context
def diff(ctx: click.Context, before: str, after: str, structured: bool) -> None:
    """Show what differs between A and B, which are configs, or pictures that clipig made.

    Each difference has its dotted path, as `--set` takes it. Looks, variables and defaults are filled in before, so
    what is written in another way but means the same does not differ.
    """
    from clipig_core.kit import differences, read_file

    nodes = [read_file(source) for source in (before, after)]  # both, before components of one are imported
    one, other = (dumped(ctx, node) for node in nodes)
    found = [each for each in differences(one, other) if each.path not in UNTOLD]
    if structured:
        as_json([{"path": each.path, "a": shown(each.before), "b": shown(each.after)} for each in found])
        return
    for each in found:
        click.echo(printable(f"{each.path}: {written(each.before)} -> {written(each.after)}"))
    if not found:
        click.echo("no difference", err=True)


def dumped(ctx: click.Context, source: Node) -> dict[str, Any]:
    """Everything that a config says; a seed that is not given is none.

    Raises:
        InputError: it is wrong.
    """
    plan = plan_of(ctx, [source])
    seed = {} if plan.settings.given("seed") else {"seed": None}
    return {**plan.dump(), **seed}


def shown(value: Any) -> Any:
    """A value for JSON, which has nothing for what is not there but null."""
    return None if value is ABSENT else value


def written(value: Any) -> str:
    """A value on one line."""
    return "(nothing)" if value is ABSENT else json.dumps(value, ensure_ascii=False, default=str)
