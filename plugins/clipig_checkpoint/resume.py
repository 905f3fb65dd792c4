"""The command `resume`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clipig_checkpoint.file import SUFFIX, Checkpoint, machine
from clipig_core import InputError, Problem
from clipig_core.kit import Registry, differences, read, read_file, read_yaml

if TYPE_CHECKING:
    from clipig_core.kit import Node, Plan, Run

log = logging.getLogger("clipig")

ELSEWHERE = ("verbose", "output", "snapshot_interval", "outputs")
"""What may change in a config, as the picture does not depend on it."""

INTERRUPTED = 130


@click.command()
@click.argument("picture", type=click.Path(path_type=Path))
@click.option("-e", "--epochs", type=click.IntRange(1), help="Go further: the number of epochs of the whole run.")
@click.option("--changed", is_flag=True, help="Accept that the config beside the picture is not what it was.")
@click.pass_context
def resume(ctx: click.Context, picture: Path, epochs: int | None, changed: bool) -> None:
    """Go on with a run that was interrupted or failed, from its checkpoint.

    PICTURE is the picture of the run, or a file beside it. The result has the same bytes as if nothing had happened,
    if clipig, torch, device and threads are the same. The files of the run are replaced.

    \b
    clipig run fox.yaml --checkpoint
    clipig resume fox.png
    """  # noqa: D301 - click wants the backspace
    if not picture.name:
        raise InputError(f"'{picture}' is not a picture")
    base = picture.with_suffix("") if picture.suffix.lower() in (".png", ".yaml", SUFFIX) else picture
    found = Checkpoint.read(base.with_name(base.name + SUFFIX))
    registry = ctx.find_object(Registry)
    assert registry is not None  # noqa: S101 - the command line has looked it up to find this command
    saved = read_yaml(found.plan, str(found.path))
    now = _beside(base) or saved
    planned, plan = (read([node], {}, registry) for node in (saved, now))
    changes = _changes(planned.dump(), plan.dump())
    if changes and not changed:
        head = Problem(f"the config is not that of '{found.path}'", hint="--changed accepts that")
        raise InputError([head, *changes])
    if epochs is not None:
        plan = read([now], {"epochs": epochs}, registry)
    done = found.state.get("epoch")
    if isinstance(done, int) and done >= plan.settings.fixed.epochs:
        raise InputError(f"'{picture}' has its {done} epochs (-e goes further)")

    def begin(run: Run) -> None:
        _say_what_is_new(found.machine, machine(run))
        try:
            run.load_state_dict(_fitting(found.state, planned, plan))
        except ValueError as error:
            raise InputError(f"cannot go on from '{found.path}': {error}") from error

    if not ctx.meta["clipig.go_on"](plan, base.with_name(base.name + ".png"), begin):
        raise click.exceptions.Exit(INTERRUPTED)


def _beside(base: Path) -> Node | None:
    """The config beside the picture, or inside of it, if there is one.

    Raises:
        InputError: the picture is not one of clipig's, or the config cannot be read.
    """
    there = [base.with_name(base.name + suffix) for suffix in (".yaml", ".png")]
    nodes = [read_file(str(path)) for path in there if path.exists() and path.stat().st_size]
    return nodes[0] if nodes else None


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Problem]:
    """`targets.0.weight: 2.0, was 1.0`"""
    found = differences(before, after)
    return [Problem(f"{one.path}: {one.after!r:.60}, was {one.before!r:.60}") for one in found if _matters(one.path)]


def _matters(path: str) -> bool:
    return path.partition(".")[0] not in ELSEWHERE


def _fitting(state: Mapping[str, Any], planned: Plan, plan: Plan) -> dict[str, Any]:
    """The parts of a state that a changed config has a use for."""
    before, after = planned.dump(), plan.dump()
    unfit = set()
    if before["optimizer"] != after["optimizer"]:
        unfit |= {"optimizer"}
    if any(before[name] != after[name] for name in ("targets", "model")):
        unfit |= {"factors", "chunks", "statistics"}
    if before["epochs"] != after["epochs"]:
        unfit |= {"statistics"}  # which say how losses went from the beginning to the end
    return {name: value for name, value in state.items() if name not in unfit}


def _say_what_is_new(before: Mapping[str, Any], now: Mapping[str, str]) -> None:
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if names:
        changes = ", ".join(f"{name} {now.get(name)!r} (was {before.get(name)!r:.40})" for name in names)
        log.warning("the picture may differ from that of a run without interruption: %s", changes)
