"""The check of launchers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from clipig_core.extension.kinds import LAUNCHER
from clipig_core.testing.base import Function, _arguments, _Subject

__tracebackhide__ = True

JOBS = range(5)


def square(job: int) -> tuple[int, int]:
    """What is launched: it can be pickled, and its result says which job it is of."""
    return job, job * job


class _JobError(Exception):
    """What a job fails with."""


def fail(job: int) -> None:
    """A job that fails."""
    raise _JobError(job)


def check_launcher(launcher: Function, /, **arguments: Any) -> None:
    """Check `launcher(run, jobs, **arguments) -> iterator of results`."""
    given = _arguments(LAUNCHER, launcher, arguments)
    subject = _Subject(LAUNCHER, launcher)
    with subject.running():
        results = launcher(square, list(JOBS), **given)
        subject.need(
            isinstance(results, Iterator), f"returns {type(results).__name__}, not an iterator", "yield each result"
        )
        found = list(results)
        nothing = list(launcher(square, [], **given))
    wanted = [square(job) for job in JOBS]
    subject.need(
        sorted(found) == wanted, f"yields {found} for {wanted}", "yield run(job) for each job, once, in any order"
    )
    subject.need(nothing == [], f"yields {nothing} without jobs", "yield nothing")
    with subject.running("when it is stopped early"):
        stopped = launcher(square, list(JOBS), **given)
        next(stopped)
        close = getattr(stopped, "close", None)
        if close:
            close()
    try:
        list(launcher(fail, list(JOBS), **given))
    except _JobError:
        return
    except Exception as error:
        subject.fail(f"turns the error of a job into {type(error).__name__}", "let errors of `run` through")
    subject.fail("hides that a job failed", "let errors of `run` through")
