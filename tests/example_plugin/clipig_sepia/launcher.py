"""The launcher `darkroom`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, TypeVar

from clipig_core import Param

Job = TypeVar("Job")
Result = TypeVar("Result")


def darkroom(
    run: Callable[[Job], Result],
    jobs: Sequence[Job],
    trays: Annotated[int, Param("How many pictures are in the making at once.", min=1, max=64)] = 1,
) -> Iterator[tuple[Job, Result | Exception]]:
    """Here, a few at a time, in threads.

    Example: 3
    """

    def attempt(job: Job) -> tuple[Job, Result | Exception]:
        try:
            return job, run(job)
        except Exception as error:
            return job, error

    with ThreadPoolExecutor(trays) as pool:
        yield from pool.map(attempt, jobs)
