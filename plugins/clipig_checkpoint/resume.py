"""The command `resume`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clipig_checkpoint.file import SUFFIX, Checkpoint, machine
from clipig_core import InputError, Problem
from clipig_core.kit import Node, Place, Registry, differences, read, read_file, read_yaml

if TYPE_CHECKING:
    from clipig_core.kit import Plan, Run

log = logging.getLogger("clipig")

ELSEWHERE = ("requires", "snapshot_interval", "outputs")
"""What may change in a config, as the picture does not depend on it."""

HERE = ("device", "verbose")
"""What a config that lies beside a picture does not say."""

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
    sources = [Node.of(found.plan, Place(str(found.path)), paths=True)]
    planned, now = read(sources, {}, registry), _beside(base)
    changes = _changes(planned, read([now], {}, registry)) if now else []
    if changes and not changed:
        head = Problem(f"the config is not that of '{found.path}'", hint="--changed accepts that")
        raise InputError([head, *changes])
    if now:
        here = {name: found.plan[name] for name in HERE if name in found.plan}
        sources = [Node.of(here, sources[0].place, paths=True), now]
    plan = read(sources, {} if epochs is None else {"epochs": epochs}, registry)
    done = found.state.get("epoch")
    if isinstance(done, int) and done >= plan.settings.fixed.epochs:
        raise InputError(f"'{picture}' has {done} epochs already (-e with more goes further)")

    def begin(run: Run) -> None:
        _say_what_is_new(found.machine, machine(run))
        try:
            run.load_state_dict(_fitting(found.state, planned, plan))
        except ValueError as error:
            raise InputError(f"cannot go on from '{found.path}': {error}") from error

    if not ctx.meta["clipig.go_on"](plan, planned, base.with_name(base.name + ".png"), begin):
        raise click.exceptions.Exit(INTERRUPTED)


def _beside(base: Path) -> Node | None:
    """The config beside the picture, or inside of it, if there is one.

    Raises:
        InputError: the picture is not one of clipig's, or the config cannot be read.
    """
    there = [base.with_name(base.name + suffix) for suffix in (".yaml", ".png")]
    nodes = [read_file(str(path)) for path in there if path.exists() and path.stat().st_size]
    return nodes[0] if nodes else None


def _changes(planned: Plan, plan: Plan) -> list[Problem]:
    """`targets.0.weight: 2.0, was 1.0`; files are the same if their content is."""
    from clipig_core.kit import as_yaml

    before, after = (read_yaml(as_yaml(one), "config").plain_value() for one in (planned, plan))
    found = [one for one in differences(before, after) if one.path.partition(".")[0] not in ELSEWHERE]
    return [Problem(f"{one.path}: {one.after!r:.60}, was {one.before!r:.60}") for one in found]


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
