"""`clipig run`: from configs to pictures."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clipig_core.errors import ClipigError

if TYPE_CHECKING:
    from clipig_core.config import Plan

INTERRUPTED = 130


class _Run(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`-r 640 480` is one option with two numbers."""
        joined: list[str] = []
        for arg in args:
            if len(joined) > 1 and joined[-2] in ("-r", "--resolution") and arg.isdigit() and joined[-1].isdigit():
                joined[-1] += f" {arg}"
            else:
                joined.append(arg)
        return super().parse_args(ctx, joined)


@click.command(cls=_Run)
@click.argument("configs", nargs=-1, metavar="CONFIG...")
@click.option("--look", help="A ready-made config to start from; 'clipig plugins' lists them.")
@click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A value for {{NAME}} in configs.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Any parameter: targets.0.weight=2.")
@click.option("-o", "--output", help="Directory (ending with '/') or '.png' file.")
@click.option("-m", "--model", help="Model name, or path of a checkpoint (.pt, .safetensors).")
@click.option("-e", "--epochs", help="Number of optimisation steps.")
@click.option("-r", "--resolution", help="Width and height in pixels; one number for a square.")
@click.option("-lr", "--learnrate", help="Step size, as a factor of the optimizer's own.")
@click.option("-opt", "--optimizer", help="Name of the optimizer.")
@click.option("-s", "--snapshot-interval", help="Save the picture every N epochs (int) or seconds (float); 0 never.")
@click.option("-d", "--device", help="auto, cpu, cuda, cuda:1, mps.")
@click.option("--seed", help="Seed of all randomness.")
@click.option("--repeat", type=click.IntRange(1), default=1, help="Make N pictures, each with a seed of its own.")
@click.option("-v", "--verbose", help="0 errors only, 1 progress, 2 statistics.")
def run(
    configs: tuple[str, ...],
    repeat: int,
    variables: tuple[str, ...],
    changes: tuple[str, ...],
    **options: str | None,
) -> None:
    r"""Make a picture from one or more YAML configs.

    Configs are merged from left to right; '-' reads standard input; options win over all files. The picture is saved
    as NAME.png and the whole config as NAME.yaml beside it; nothing that exists is overwritten; the path goes to
    standard output. A picture that clipig made can be given as a config: its own is read from it.

    \b
    clipig run --look object --var text=fox
    clipig run fox.yaml -e 100 --set targets.0.weight=2
    """
    from clipig_core.config import read
    from clipig_core.extension.registry import Registry
    from clipig_core.language.nodes import read_yaml

    if not configs and not options["look"]:
        raise click.UsageError("Missing argument 'CONFIG...', or the option '--look'.")
    text = ("output", "model", "optimizer", "device", "look")
    given = {
        name: value if name in text else read_yaml(value, f"--{name.replace('_', '-')}").plain_value()
        for name, value in options.items()
        if value is not None
    }
    wanted = dict(pair(variable, "--var") for variable in variables)
    if wanted:
        given["vars"] = wanted
    if configs:
        stem = "clipig" if configs[-1] == "-" else Path(configs[-1]).stem
    else:
        stem = slug(wanted.get("text", "")) or str(options["look"])
    # Threads that spin while they wait make a run several times slower when another program uses a core, too.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    with Interrupts() as interrupts:
        plan = read(configs, given, Registry(), [pair(change, "--set") for change in changes])
        counted = plan.settings.given("seed")
        for number in range(repeat):
            one = plan.with_seed(plan.seed + number if counted else None) if number else plan
            if not make(one, stem, interrupts):
                raise click.exceptions.Exit(INTERRUPTED)


def pair(text: str, option: str) -> tuple[str, str]:
    """`NAME=VALUE`, split."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise click.UsageError(f"'{option} {text}' has no '='; write {option} NAME=VALUE.")
    return name.strip(), value


def slug(text: str) -> str:
    """A name for files: `red-fox` for `Red fox!`."""
    return re.sub(r"[^\w]+", "-", text.lower()).strip("-")[:60]


def make(plan: Plan, stem: str, interrupts: Interrupts) -> bool:
    """Make one picture; False if it was interrupted."""
    from clipig_cli.progress import ProgressBar, say
    from clipig_core.engine.run import Run
    from clipig_core.runner.execute import execute
    from clipig_core.runner.files import Output
    from clipig_core.runner.outputs import outputs
    from clipig_core.runner.picture import PictureFile

    settings = plan.settings.fixed
    level = logging.WARNING if settings.verbose else logging.ERROR
    logging.basicConfig(format="%(message)s", level=level, force=True)
    output = Output.claim(settings.output, stem)
    picture = PictureFile(output, settings.snapshot_interval)
    try:
        interrupts.at_once(output.release)
        others = outputs(plan, output.image.with_suffix(""))
        run = Run(plan)
        interrupts.after_the_epoch()
        observers = [ProgressBar(output.image.name, settings.verbose), picture, *others]
        result = execute(run, observers, lambda: interrupts.received)
        for failure in result.failures:
            if isinstance(failure, ClipigError):
                raise failure
        if settings.verbose:
            say(f"saved {output.image}")
        with contextlib.suppress(OSError):
            click.echo(output.image)
        if result.error:
            raise result.error
        return not result.stopped
    finally:
        picture.close()


class Interrupts:
    """Ctrl-C and other wishes to stop: granted at once while loading, after the epoch in a run, then at once again."""

    SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

    def __init__(self) -> None:
        self.received = False
        self.at_once(lambda: None)

    def at_once(self, cleanup: Callable[[], None]) -> None:
        """From now on, grant wishes at once, after `cleanup`."""
        self._waits, self._cleanup = False, cleanup

    def after_the_epoch(self) -> None:
        """From now on, let who asks `received` grant the first wish."""
        self._waits = True

    def __enter__(self) -> Interrupts:
        heard = [number for number in self.SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # as under nohup
        self._before = {number: signal.signal(number, self._receive) for number in heard}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, _number: int, _frame: object) -> None:
        if self._waits and not self.received:
            self.received = True
            return
        self._cleanup()
        with contextlib.suppress(OSError):
            os.write(2, b"interrupted\n")
        os._exit(INTERRUPTED)
