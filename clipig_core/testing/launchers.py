"""The check of launchers."""

from __future__ import annotations

from collections.abc import Iterator

from clipig_core.extension.kinds import LAUNCHER
from clipig_core.testing.base import Function, _arguments, _Subject

__tracebackhide__ = True

JOBS = range(5)


def square(job: int) -> int:
    """What is launched: it can be pickled."""
    return job * job


class _JobError(Exception):
    """What a job fails with."""


def fail(job: int) -> None:
    """A job that fails."""
    raise _JobError(job)


def check_launcher(launcher: Function, /, **arguments: object) -> None:
    """Check `launcher(run, jobs, **arguments) -> iterator of (job, result)`."""
    given = _arguments(LAUNCHER, launcher, arguments)
    subject = _Subject(LAUNCHER, launcher)
    with subject.running():
        results = launcher(square, list(JOBS), **given)
        subject.need(
            isinstance(results, Iterator),
            f"returns {type(results).__name__}, not an iterator",
            "yield each job with its result",
        )
        found = list(results)
        nothing = list(launcher(square, [], **given))
    wanted = [(job, square(job)) for job in JOBS]
    subject.need(
        sorted(found) == wanted,
        f"yields {found} for {wanted}",
        "yield (job, run(job)) for each job, once, in any order",
    )
    subject.need(nothing == [], f"yields {nothing} without jobs", "yield nothing")
    with subject.running("when it is stopped early"):
        stopped = launcher(square, list(JOBS), **given)
        next(stopped)
        close = getattr(stopped, "close", None)
        if close:
            close()
    with subject.running("when all jobs fail"):
        failed = list(launcher(fail, list(JOBS), **given))
    wrong = [result for _, result in failed if not isinstance(result, _JobError)]
    subject.need(
        len(failed) == len(JOBS) and not wrong,
        f"yields {wrong[0] if wrong else failed!r} for a job that fails",
        "yield (job, the exception that `run` raised), and go on",
    )
