"""`clipig explain`: what a config will do, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from clipig_commands.common import as_json, columns, draws, plan_of
from clipig_core.kit import SettingsCommand, config_options, files, printable

if TYPE_CHECKING:
    from clipig_core.kit import Forecast, Lane, Plan, Timeline

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII = " .:-=+*#@"
WIDEST = 60
LABELS = 24
IDLE = 0.001
"""Share of the loss of a target below which a constraint does next to nothing."""


@click.command(cls=SettingsCommand, without=("output", "verbose", "snapshot_interval", "metadata"))
@click.argument("configs", nargs=-1, metavar="CONFIG...", shell_complete=files)
@config_options
@click.option("--trial/--no-trial", default=True, help="Load the models and try two epochs of each phase.")
@click.option("--json", "structured", is_flag=True, help="Print JSON.")
@click.pass_context
def explain(
    ctx: click.Context,
    /,
    configs: tuple[str, ...],
    variables: tuple[str, ...],
    changes: tuple[str, ...],
    trial: bool,
    structured: bool,
    **options: str | None,
) -> None:
    """Explain what CONFIG will do before it runs: when, how long, and what of it does nothing.

    Every target, feature and constraint is a row, in which its weight rises and falls over the run. Time and memory
    come from a trial of a few epochs, for which the models are loaded as for a run; nothing is written.

    \b
    clipig explain fox.yaml
    clipig explain fox.yaml -r 512 -e 400
    clipig explain --look object --var text=fox --no-trial
    """  # noqa: D301 - click wants the backspace
    from clipig_core.kit import remarks, timeline

    if not configs and not options["look"]:
        raise click.UsageError("Missing argument 'CONFIG...', or the option '--look'.")
    plan = plan_of(ctx, configs, options, variables, changes)
    times = timeline(plan)
    found = remarks(plan, times)
    expected = None
    if trial:
        from clipig_core.kit import forecast

        click.echo("trying a few epochs ...", err=True)
        expected = forecast(plan)
        found += idle(expected)
    if structured:
        as_json(described(plan, times, expected, found))
        return
    for line in lines(plan, times, expected, found):
        click.echo(printable(line))


def lines(plan: Plan, times: Timeline, expected: Forecast | None, found: Sequence[str]) -> Iterator[str]:
    """All that there is to say, for people."""
    settings = plan.settings.fixed
    yield f"{settings.epochs - settings.start_epoch} epochs, {sizes(times)}, {looked_at(plan, times)}"
    yield ""
    yield from chart(times, columns())
    if expected:
        yield ""
        yield from costs(expected)
    if found:
        yield ""
        yield from found


def sizes(times: Timeline) -> str:
    """`16x16, 32x32 from epoch 30`."""
    texts: list[str] = []
    last = None
    for epoch, (width, height) in zip(times.moments, times.resolutions, strict=True):
        if (width, height) != last:
            texts.append(f"{width}x{height}" + (f" from epoch {epoch}" if texts else ""))
        last = (width, height)
    return ", ".join(texts if len(texts) <= 5 else [*texts[:2], "...", texts[-1]])


def looked_at(plan: Plan, times: Timeline) -> str:
    """How many views each model sees in an epoch in which all targets take part."""
    views: dict[str, tuple[int, int]] = {}
    schedules = {lane.path: lane.values for lane in times.lanes}
    for number, target in enumerate(plan.targets):
        if target.features:
            name = (target.model or plan.choices["model"]).name
            known = views.get(name, (0, 0))
            own = schedules.get(f"targets.{number}.batch_size") or (target.section.fixed.batch_size,)
            counts = [int(count) for count in own if count is not None]
            views[name] = (known[0] + min(counts), known[1] + max(counts))
    texts = {name: f"{least} to {most}" if least < most else str(least) for name, (least, most) in views.items()}
    return ", ".join(f"{count} views an epoch for {name}" for name, count in texts.items()) or "no model"


def chart(times: Timeline, width: int) -> Iterator[str]:
    """A row for each part: its weight over the run, and in numbers at its beginning and end."""
    further = [lane.path.count(".") > 1 for lane in times.lanes]  # parts of a target
    labels = [("  " * inside + lane.label)[:LABELS] for inside, lane in zip(further, times.lanes, strict=True)]
    room = max(map(len, labels), default=0)
    across = max(8, min(WIDEST, width - room - 18))
    for lane, text in zip(times.lanes, labels, strict=True):
        yield f"{text:<{room}}  {drawn(lane, across)}  {numbers(lane)}".rstrip()


def drawn(lane: Lane, across: int) -> str:
    """The numbers of a lane as a row of blocks, the highest of them full."""
    highest = max((abs(value) for value in lane.values if value is not None), default=0.0)
    blocks, count = BLOCKS if draws() else ASCII, len(lane.values)
    row = ""
    for column in range(across):
        first, end = (number * count // across for number in (column, column + 1))
        present = [abs(value) for value in lane.values[first : max(first + 1, end)] if value is not None]
        level = round((len(blocks) - 1) * max(present) / highest) if present and highest else 0
        row += blocks[max(1, level)] if present else blocks[0]
    return row


def numbers(lane: Lane) -> str:
    """The first and the last number of a lane, one if they are the same."""
    values = [value for value in lane.values if value is not None]
    if not values:
        return "never"
    first, last = f"{values[0]:.4g}", f"{values[-1]:.4g}"
    return first if len(set(values)) == 1 else f"{first} -> {last}"


def costs(expected: Forecast) -> Iterator[str]:
    """Time and memory."""
    yield f"on {expected.device}: {clock(expected.loading)} to load, {clock(expected.seconds)} for the epochs"
    if len(expected.phases) > 1:
        for phase in expected.phases:
            width, height = phase.resolution
            yield f"  from epoch {phase.first}: {phase.epochs} at {width}x{height}, {phase.seconds:.3f} s each"
    else:
        yield f"  {expected.phases[0].seconds:.3f} s an epoch"
    if expected.memory:
        yield f"  {expected.memory / 1e9:.1f} GB of memory"


def clock(seconds: float) -> str:
    """A duration in words."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def idle(expected: Forecast) -> list[str]:
    """The constraints that had next to nothing to do in the trial."""
    return [
        f"targets.{row.index}: the {row.name} constraint had next to nothing to do in the trial"
        for row in expected.statistics
        if row.kind == "constraint" and row.weight and row.share < IDLE
    ]


def described(plan: Plan, times: Timeline, expected: Forecast | None, found: Sequence[str]) -> dict[str, Any]:
    """All that there is to say, for JSON."""
    cost = {**asdict(expected), "seconds": expected.seconds} if expected else None
    return {
        "epochs": plan.settings.fixed.epochs,
        "moments": times.moments,
        "resolutions": times.resolutions,
        "lanes": [asdict(lane) for lane in times.lanes],
        "forecast": cost,
        "remarks": [*found],
    }
