"""`clipig sweep`: many pictures of one config."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clipig_core import InputError, RunError
from clipig_core.kit import SettingsCommand, files, names_of

if TYPE_CHECKING:
    from clipig_core.kit import Document, Registry, Use
    from clipig_sweep.axes import Grid
    from clipig_sweep.folder import Folder
    from clipig_sweep.plan import Job

MANY = 1000
SOME_FAILED = 3
TABLES_SECONDS, TABLES_SHARE = 10.0, 20.0
"""How often tables are written anew while jobs run, and the least that passes until then, in times that it takes."""
MEASURED_SECONDS = 3.0


@click.command(cls=SettingsCommand, without=("output", "verbose", "snapshot_interval"))
@click.argument("configs", nargs=-1, metavar="CONFIG...", shell_complete=files)
@click.option(
    "--look", help="A ready-made config to start from; 'clipig plugins' lists them.", shell_complete=names_of("look")
)
@click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A value for {{NAME}}, or NAME=@FILE.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUES", help="An axis: seed=1..10, or vars.text=@FILE.")
@click.option("-o", "--output", metavar="DIR", help="The folder of the sweep; NAME-sweep if not given.")
@click.option("--launcher", metavar="NAME", help="Where jobs run: local, or 'local: {workers: 2}'.")
@click.option("--dry-run", is_flag=True, help="List the jobs, and say how long they would take.")
@click.option("--json", "as_json", is_flag=True, help="The list of --dry-run for machines.")
@click.option("--then", type=click.Choice(["rate"]), help="Let a judge rate the pictures, by their own texts.")
@click.option("--judge", metavar="MODEL", help="The model that rates; best one that does not paint.")
@click.option("--keep", type=click.IntRange(1), metavar="N", help="After rating, paint the N best again, larger.")
@click.option("--enlarge", type=click.FloatRange(1, 16), default=2.0, help="How much larger; 2 if not given.")
@click.option("-y", "--yes", is_flag=True, help=f"Do not ask if there are more than {MANY:,} jobs.")
@click.pass_context
def sweep(
    ctx: click.Context,
    /,
    configs: tuple[str, ...],
    variables: tuple[str, ...],
    changes: tuple[str, ...],
    output: str | None,
    launcher: str | None,
    dry_run: bool,
    as_json: bool,
    then: str | None,
    judge: str | None,
    keep: int | None,
    enlarge: float,
    yes: bool,
    **settings: str | None,
) -> None:
    """Make many pictures of a config, whose `sweep:` section or options say in what they differ.

    Pictures, a table and a page go to a folder. If the same sweep is started again, it makes what is missing there.
    Exit code 3 says that some jobs failed.

    \b
    clipig sweep --look object --var text=@words.txt --set seed=1..3 -e 100
    clipig sweep fox.yaml --set targets.0.weight='[1, 2, 4]' --dry-run
    clipig sweep fox.yaml --set seed=1..50 --then rate --keep 5
    """  # noqa: D301 - click wants the backspace
    from clipig_core.kit import Registry
    from clipig_sweep.folder import FAILED, Folder
    from clipig_sweep.plan import check_values

    if (keep or judge) and not then:
        raise click.UsageError("--keep and --judge need --then rate.")
    if not configs and not settings["look"]:
        raise click.UsageError("Missing argument 'CONFIG...', or the option '--look'.")
    order = Order.read(configs, settings, variables, changes, launcher, ctx.find_object(Registry) or Registry())
    agree(order.count, yes)
    check_values(order.base, order.grids, order.registry)
    jobs = order.jobs()
    if not jobs:
        raise InputError("no job meets the condition 'where'")
    folder_path = Path(output or f"{order.stem}-sweep")
    folder = Folder(folder_path)
    if dry_run:
        show(order, jobs, folder, as_json)
        return
    with folder.opened():
        launch(order, jobs, folder, jobs)
        made = [*jobs]
        if then:
            made += refine(order, jobs, folder, judge, keep or 0, enlarge)
            finish(order, jobs, folder)
    failed = [job for job in made if folder.records[job.id]["status"] == FAILED]
    click.echo(folder_path)
    if failed:
        say(f"{len(failed)} of {len(made)} jobs failed; the page and {folder.jobs} say why")
        raise click.exceptions.Exit(SOME_FAILED)


@dataclass
class Order:
    """What the user wants: a config, the grids over it, and the launcher."""

    base: Document
    grids: Sequence[Grid]
    stem: str
    launcher: Use
    registry: Registry

    @classmethod
    def read(
        cls,
        configs: Sequence[str],
        settings: Mapping[str, str | None],
        variables: Sequence[str],
        changes: Sequence[str],
        launcher: str | None,
        registry: Registry,
    ) -> Order:
        """From the command line. Raises InputError with what is wrong with it, and with the files."""
        from clipig_core.kit import Document, Node, Place, choice, given, pair, read_yaml
        from clipig_sweep.axes import grids, option, variable
        from clipig_sweep.plan import seeded, slug

        document = Document.read(configs, given(settings), registry)
        section = document.sections.value.get("sweep")
        axes = [variable(*pair(one)) for one in variables]
        axes += [option(*pair(one)) for one in changes]
        chosen = read_yaml(launcher, "--launcher") if launcher else None
        if section and isinstance(section.value, dict):
            chosen = chosen or section.value.get("launcher")
        stem = (
            Path(configs[-1]).stem if configs and configs[-1] != "-" else slug(settings.get("look") or "") or "clipig"
        )
        use = choice("launcher", chosen or Node("local", Place("clipig sweep")), registry)
        return cls(seeded(Document(document.node)), grids(section, axes), stem, use, registry)

    @property
    def count(self) -> int:
        """How many jobs there are at most."""
        return sum(map(len, self.grids))

    def jobs(self) -> list[Job]:
        """Every job, once."""
        from clipig_sweep.plan import plan

        return plan(self.base, self.grids, self.stem)

    def results(self, jobs: Sequence[Job]) -> Generator[tuple[Job, Any], None, None]:
        """What the launcher yields."""
        from clipig_sweep.paint import Painter

        component, place = self.launcher.component, self.launcher.node.place
        with component.calling(place):
            found = iter(component.function(Painter(self.base), jobs, **self.launcher.fixed))
        try:
            while True:
                with component.calling(place):
                    result = next(found, None)
                if result is None:
                    return
                yield result
        finally:
            getattr(found, "close", lambda: None)()


def agree(count: int, yes: bool) -> None:
    """Ask before a sweep that is larger than its author may think. Raises InputError where nobody can be asked."""
    if count <= MANY or yes:
        return
    if not sys.stdin or not sys.stdin.isatty():
        raise InputError(f"this sweep has {count:,} jobs; say --yes if you want that")
    click.confirm(f"This sweep has {count:,} jobs. Go on?", abort=True, err=True)


def refine(
    order: Order, jobs: Sequence[Job], folder: Folder, judge: str | None, keep: int, enlarge: float
) -> Sequence[Job]:
    """Rate what there is, and paint the best again; returns these jobs."""
    from clipig_sweep.refine import Refinement

    refinement = Refinement(order.base, order.registry, judge, keep, enlarge)
    larger = refinement.larger(refinement.best(jobs, folder), folder)
    if larger:
        launch(order, larger, folder, jobs)
    return larger


def launch(order: Order, jobs: Sequence[Job], folder: Folder, listed: Sequence[Job]) -> None:
    """Do what is missing. Tables and page, of the jobs that are `listed`, are there in the end, if any job is.

    Raises:
        RunError: the folder cannot be written to any more.
        PluginError: the launcher fails.
    """
    from clipig_sweep.folder import DONE, FAILED

    waiting = [job for job in jobs if not folder.done(job)]
    if not waiting:
        say(f"all {len(jobs)} jobs are done already")
        finish(order, listed, folder)
        return
    progress = Progress(len(waiting), len(jobs) - len(waiting))
    due = time.monotonic() + TABLES_SECONDS
    with (
        ending_like_ctrl_c(),
        contextlib.redirect_stdout(sys.stderr),  # launchers may print, as Ray does when it loses a node
        contextlib.closing(order.results(waiting)) as results,
    ):
        try:
            for job, result in results:
                row, files, log = (
                    ({"status": FAILED, "error": str(result)}, {}, "")
                    if isinstance(result, Exception)
                    else (result.row, result.files, result.log)
                )
                record = folder.add(job, row, files, log)
                reason = record.get("error", "").partition("\n")[0]
                progress.step(
                    record["status"] == DONE, f"{job.name}: {reason}; see {folder.path / record.get('log', '')}"
                )
                if (begun := time.monotonic()) > due:
                    folder.write_tables(listed, order.stem)
                    due = time.monotonic() + max(TABLES_SECONDS, TABLES_SHARE * (time.monotonic() - begun))
        except BaseException:
            progress.end()
            results.close()
            if folder.records:
                with contextlib.suppress(RunError):  # what was wrong before says more
                    finish(order, listed, folder)
            raise
    progress.end()
    finish(order, listed, folder)


def finish(order: Order, jobs: Sequence[Job], folder: Folder) -> None:
    """Write tables, page and sheet."""
    from clipig_sweep.folder import write
    from clipig_sweep.sheet import sheet

    folder.write_tables(jobs, order.stem)
    picture = sheet(order.grids, folder.rows(jobs)[: len(jobs)])
    if picture:
        write(folder.path / "sheet.png", picture)


class Progress:
    """How far a sweep is, on standard error: a line that is written anew, or one now and then."""

    def __init__(self, total: int, before: int) -> None:
        self.total, self.done, self.failed = total, 0, 0
        self._start = self._shown = time.monotonic()
        self._terminal = bool(sys.stderr and sys.stderr.isatty())
        if before:
            say(f"{before} jobs are done already, {total} are left")

    def step(self, good: bool, failure: str) -> None:
        self.done += 1
        if not good:
            self.failed += 1
            say(("\r\x1b[K" if self._terminal else "") + "failed: " + failure)
        now = time.monotonic()
        if not self._terminal and now - self._shown < TABLES_SECONDS and self.done < self.total:
            return
        self._shown = now
        left = (now - self._start) / self.done * (self.total - self.done)
        text = f"{self.done} of {self.total} jobs" + (f", {self.failed} failed" if self.failed else "")
        text += f", about {duration(left)} left" if left else f", {duration(now - self._start)}"
        click.echo(f"\r\x1b[K{text}" if self._terminal else text, err=True, nl=not self._terminal)

    def end(self) -> None:
        if self._terminal and self.done:
            click.echo(err=True)


def say(text: str) -> None:
    """Tell people; standard output is for programs."""
    click.echo(text, err=True)


def duration(seconds: float) -> str:
    """`40 s`, `3 min`, `2.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


@contextmanager
def ending_like_ctrl_c() -> Iterator[None]:
    """Other wishes to stop do what Ctrl-C does: the workers end, and tables are written."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]  # as under nohup
    before = {number: signal.signal(number, signal.default_int_handler) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def show(order: Order, jobs: Sequence[Job], folder: Folder, as_json: bool) -> None:
    """List the jobs on standard output; how long they would take goes to standard error."""
    folder.read()
    left = [job for job in jobs if not folder.done(job)]
    if as_json:
        rows = [{"id": job.id, "name": job.name, "done": folder.done(job), "parameters": job.values} for job in jobs]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False, default=str))
    else:
        for job in jobs:
            click.echo(job.name + (" (done)" if folder.done(job) else ""))
    text = f"{len(jobs)} jobs, {len(left)} to do"
    if left:
        seconds = expected(order, left, folder.records.values())
        text += f": about {duration(sum(seconds))} in one process, {duration(sum(seconds) / len(left))} each"
    say(text)


def expected(order: Order, jobs: Sequence[Job], records: Any) -> list[float]:
    """Seconds of each job: as long as those that are done, or measured by some epochs of the first one."""
    from clipig_core.kit import Run, check
    from clipig_sweep.plan import changed

    known = [record["seconds"] for record in records if record.get("status") == "done"]
    if known:
        return [sum(known) / len(known)] * len(jobs)
    logging.getLogger("clipig").setLevel(logging.ERROR)
    run = Run(check(changed(order.base, jobs[0].changes).filled(), order.registry))
    start = time.monotonic()
    next(run)  # the first one is slower than the others
    begun = time.monotonic()
    while not run.complete and time.monotonic() - begun < MEASURED_SECONDS:
        run.step()
    epoch = (time.monotonic() - begun) / max(1, run.done - 1) or begun - start
    epochs = [job.values.get("epochs", run.total) for job in jobs]
    return [epoch * count if isinstance(count, int) else epoch * run.total for count in epochs]
