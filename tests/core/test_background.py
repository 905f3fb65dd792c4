"""Work beside the run: it never waits, and what is kept for later does not grow."""

from __future__ import annotations

import threading
import time

import pytest

from clipig_core.runner.background import Background, Rhythm


def test_everything_is_done_in_order() -> None:
    done: list[int] = []
    background = Background(done.append, room=100)
    for number in range(50):
        background.put(number)
    background.finish()
    assert done == [*range(50)]
    assert background.left_out == 0


def test_the_newest_takes_the_place_of_the_one_before_it() -> None:
    done: list[int] = []
    free, started = threading.Event(), threading.Event()

    def work(number: int) -> None:
        started.set()
        free.wait(30)
        done.append(number)

    background = Background(work, room=2)
    background.put(0)
    started.wait(30)
    for number in range(1, 100):
        background.put(number)
    free.set()
    background.finish()
    assert done == [0, 1, 99]
    assert background.left_out == 97


@pytest.mark.parametrize("later", ["put", "finish"])
def test_what_fails_is_raised_where_something_is_handed_over(later: str) -> None:
    def work(number: int) -> None:
        1 / number

    def put_often() -> None:
        for _ in range(1000):
            background.put(1)
            time.sleep(0.01)

    background = Background(work)
    background.put(0)
    if later == "put":
        with pytest.raises(ZeroDivisionError):
            put_often()
    with pytest.raises(ZeroDivisionError):
        background.finish()


def test_nothing_to_do() -> None:
    background = Background(print)
    background.finish()
    background.finish()


@pytest.mark.parametrize(
    ("interval", "due"),
    [(3, [1, 3, 6, 9]), (1, [*range(1, 10)]), (0, []), (0.0, []), (1e9, [1])],
)
def test_rhythms(interval: float, due: list[int]) -> None:
    rhythm = Rhythm(interval)
    assert [done for done in range(1, 10) if rhythm.due(done)] == due
