"""`clipig run`: from configs to pictures."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clipig_cli.stages import Stages
from clipig_cli.terminal import Messages, Terminal
from clipig_core.config.options import SettingsCommand, config_options, given, run_options
from clipig_core.errors import ClipigError, InputError, Place, RunError, printable, printable_lines
from clipig_core.extension.arguments import pair
from clipig_core.extension.completion import files

if TYPE_CHECKING:
    from clipig_core.config.plan import Plan
    from clipig_core.engine.run import Run
    from clipig_core.extension.registry import Component, Registry
    from clipig_core.language.nodes import Node
    from clipig_core.runner.execute import Result
    from clipig_core.runner.files import Output

INTERRUPTED = 130


@click.command(cls=SettingsCommand)
@click.argument("configs", nargs=-1, metavar="CONFIG...", shell_complete=files)
@config_options
@run_options
@click.option("--repeat", type=click.IntRange(1), default=1, help="Make N pictures, each with a seed of its own.")
def run(
    configs: tuple[str, ...],
    repeat: int,
    variables: tuple[str, ...],
    changes: tuple[str, ...],
    outputs: tuple[str, ...],
    checkpoint: bool,
    preview: bool,
    allow_private: bool,
    structured: bool,
    **options: str | None,
) -> None:
    """Make a picture from one or more YAML configs.

    Configs are merged from left to right; '-' reads standard input; options win over all files. The picture is saved
    as NAME.png and the whole config as NAME.yaml beside it; nothing that exists is overwritten; the path goes to
    standard output. A picture that clipig made can be given as a config: its own is read from it.

    \b
    clipig run --look object --var text=fox
    clipig run fox.yaml -e 100 --set targets.0.weight=2
    clipig run fox.yaml --out video.mp4 --out log
    """  # noqa: D301 - click wants the backspace
    if not configs and not options["look"]:
        raise click.UsageError("Missing argument 'CONFIG...', or the option '--look'.")
    if allow_private:
        os.environ["CLIPIG_ALLOW_PRIVATE"] = "1"
    sources: list[str | Node] = [*configs, *map(output_document, outputs + checkpoint * ("checkpoint",))]
    stages = Stages(Terminal(), verbose=options["verbose"] != "0")
    with Interrupts() as interrupts:
        # In a pipe, a mistake in the config is all that is said. What plugins print is no data.
        with stages.loading("torch", silent=True), contextlib.redirect_stdout(sys.stderr):
            from clipig_core.extension.registry import Registry

            registry = Registry()
            watching = found(registry, "preview") if preview else None
            plan, stem = planned(sources, variables, changes, options, registry, repeat)
        counted = plan.settings.given("seed")
        if counted:
            plan.with_seed(plan.seed + repeat - 1)  # what is wrong with the last one is said before the first
        for number in range(repeat):
            one = plan.with_seed(plan.seed + number if counted else None) if number else plan
            name = f"{stem}-seed{one.seed}" if repeat > 1 else stem
            if not make(one, name, interrupts, stages, watching, tell=put_json if structured else put):
                raise click.exceptions.Exit(INTERRUPTED)


def planned(
    sources: Sequence[str | Node],
    variables: Sequence[str],
    changes: Sequence[str],
    options: Mapping[str, str | None],
    registry: Registry,
    repeat: int,
) -> tuple[Plan, str]:
    """The plan of some configs and options, and a name for its pictures.

    Raises:
        InputError: with every problem that was found.
    """
    from clipig_core.config.check import check
    from clipig_core.config.document import document

    wanted = dict(pair(variable, "--var") for variable in variables)
    values = given(options) | ({"vars": wanted} if wanted else {})
    configs = [source for source in sources if isinstance(source, str)]
    if configs:
        stem = "clipig" if configs[-1] == "-" else Path(configs[-1]).stem
    else:
        stem = slug(wanted.get("text", "")) or str(options["look"])
    merged = document(sources, values, registry, [pair(change, "--set") for change in changes])
    if "output" in merged.value:
        check_output(str(merged.value["output"].value), repeat)
    return check(merged, registry), stem


def check_output(output: str, repeat: int) -> None:
    """Refuse a file that is there, or that several pictures would have, before torch is loaded for the rest.

    Raises:
        UsageError, InputError: as it says. What else is wrong with it is found later.
    """
    from clipig_core.config.sections import split_output
    from clipig_core.runner.files import check_free

    with contextlib.suppress(OSError, ValueError):
        if repeat > 1 and split_output(output)[1]:
            raise click.UsageError("Several pictures need a directory: '-o' has to end with '/'.")
    check_free(output)


def output_document(text: str) -> Node:
    """A config with one output; `video.mp4` is the output `video` with the format `mp4`."""
    from clipig_core.language.nodes import Node
    from clipig_core.language.yaml import read_yaml

    place = Place(f"--out {text}")
    short = re.fullmatch(r"([\w/-]+)\.(\w+)", text)
    node = read_yaml(f"{short[1]}: {{format: {short[2]}}}" if short else text, str(place))
    return Node({"outputs": Node([node], place)}, place, {"outputs": place})


def found(registry: Registry, name: str) -> Component:
    """An output of this name.

    Raises:
        InputError: there is none, or it is broken.
    """
    try:
        return registry.find("output", name)
    except LookupError as error:
        raise InputError(str(error.args[0])) from None


def slug(text: str) -> str:
    """A name for files: `red-fox` for `Red fox!`."""
    return re.sub(r"[^\w]+", "-", text.lower()).strip("-")[:60]


def make(
    plan: Plan,
    stem: str,
    interrupts: Interrupts,
    stages: Stages,
    watching: Component | None = None,
    again: Output | None = None,
    begin: Callable[[Run], None] = lambda _: None,
    tell: Callable[[Path, Result], None] | None = None,
) -> bool:
    """Make one picture; False if it was interrupted.

    It gets a name that begins with `stem`, or that of a run that is gone on with, `again`. `watching` is one more
    output, `begin` is called with the run before its first epoch, and `tell` prints what came of it.
    """
    from clipig_cli.progress import ProgressBar
    from clipig_core.engine.run import Run
    from clipig_core.runner.execute import execute
    from clipig_core.runner.files import Output
    from clipig_core.runner.outputs import outputs, written
    from clipig_core.runner.picture import PictureFile

    settings, terminal = plan.settings.fixed, stages.terminal
    stages.verbose = bool(settings.verbose)
    level = logging.WARNING if settings.verbose else logging.ERROR
    logging.basicConfig(level=level, handlers=[Messages(terminal)], force=True)
    logging.captureWarnings(True)  # which may quote what a config says

    def beside(path: Path) -> list[Path]:
        return written(outputs(plan, path))

    output = again or Output.claim(settings.output, stem, beside)
    picture = PictureFile(output, settings.snapshot_interval)
    try:
        interrupts.at_once(output.release)
        with contextlib.redirect_stdout(sys.stderr):
            others = outputs(plan, output.image.with_suffix(""))
            if watching:
                others.append(watching.function(output.image.with_suffix("")))
            with stages.loading(models(plan)):
                run = Run(plan)
                begin(run)
            interrupts.after_the_epoch()
            stages.done()
            if others:
                output.make_folder()
            # What is said in the end comes below the preview, and after the picture is saved.
            observers = [picture, *others, ProgressBar(terminal, output.image.name, settings.verbose)]
            result = execute(run, observers, lambda: interrupts.received)
        if picture.output.saved:
            if settings.verbose:
                terminal.say(printable(f"saved {picture.output.image}"), "green")
            with contextlib.suppress(OSError):
                (tell or put)(picture.output.image, result)
        failed = [error for error in [*result.failures, result.error] if isinstance(error, ClipigError)]
        for failure in failed[1:]:
            terminal.say(printable_lines(str(failure)), "red")
        if failed:  # with a picture, nothing is refused any more
            raise RunError(str(failed[0])) if isinstance(failed[0], InputError) else failed[0]
        if result.failures:  # of a kind that has been logged
            raise RunError("an output failed, so what it writes is not there, or not whole")
        return not result.stopped
    finally:
        picture.close()


def go_on(plan: Plan, before: Plan, image: Path, begin: Callable[[Run], None]) -> bool:
    """Go on with a run whose files are there, from the state that `begin` gives it; False if it was interrupted.

    `before` is its plan until now, whose outputs may be others.
    """
    from clipig_core.runner.files import Output
    from clipig_core.runner.outputs import outputs, written

    with Interrupts() as interrupts:
        stages = Stages(Terminal(), plan.settings.fixed.verbose > 0)
        ours, others = (written(outputs(one, image.with_suffix(""))) for one in (before, plan))
        again = Output.again(image, ours, others)
        return make(plan, image.stem, interrupts, stages, again=again, begin=begin)


def put_json(path: Path, result: Result) -> None:
    """Print what came of a run, for programs."""
    rows = [{name: value for name, value in asdict(row).items() if name != "course"} for row in result.statistics]
    entry = {
        "picture": str(path),
        "seed": result.run.plan.seed,
        "epochs": result.run.done,
        "stopped": result.stopped,
        "seconds": round(result.run.seconds, 3),
        "loss": result.loss,
        "similarity": result.similarity,
        "statistics": rows,
        "verdict": result.verdict,
    }
    click.echo(json.dumps(entry))


def put(path: Path, _result: Result | None = None) -> None:
    """Print a path: as it is for programs, which may have to open it, and as a line for people."""
    seen = sys.stdout is not None and sys.stdout.isatty()
    click.echo(printable(str(path)) if seen else os.fsencode(path))


def models(plan: Plan) -> str:
    """The names of the models that are used: `photo-lite0, photo-lite1 and emoji`."""
    used = [target.model or plan.choices["model"] for target in plan.targets if target.features]
    *names, last = dict.fromkeys(printable(use.name) for use in used) or ["pixels"]
    return f"{', '.join(names)} and {last}" if names else last


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
