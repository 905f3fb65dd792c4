"""Driving a run: those who follow it, its end, and what is left of one that fails."""

from __future__ import annotations

import logging

import pytest
import torch

from clipig_core.engine.run import Run, Step
from clipig_core.errors import ClipigError, InputError, RunError
from clipig_core.runner.execute import Observer, Result, execute

from .support import AXES, SIZE, LinearEncoder, run_of

HEAD = f"resolution: {SIZE}\nepochs: 6\nseed: 1\nmodel: emoji\n"
FEATURE = HEAD + "targets: [{name: one, batch_size: 2, features: [{text: x}, {text: y, weight: 0.5}]}]\n"


class Notes(Observer):
    """Writes down what it is told; `failing` names the method that raises `error`."""

    def __init__(self, failing: str = "", error: Exception | None = None) -> None:
        self.told: list[str] = []
        self.failing, self.error = failing, error

    def begin(self, run: Run) -> None:
        self.run = run
        self.note("begin", f"begin {run.done}/{run.total}")

    def step(self, step: Step) -> None:
        self.note("step", f"step {step.epoch}, {self.run.done} done")

    def end(self, result: Result) -> None:
        self.result = result
        self.note("end", f"end {result.run.done}")

    def note(self, method: str, text: str) -> None:
        self.told.append(text)
        if method == self.failing:
            raise self.error or ValueError("no ink")


def test_observers_are_told_everything_in_order() -> None:
    notes = Notes()
    result = execute(run_of(FEATURE + "start_epoch: 3", LinearEncoder(AXES)), [notes])
    assert notes.told == ["begin 0/3", "step 3, 1 done", "step 4, 2 done", "step 5, 3 done", "end 3"]
    assert notes.result is result
    assert (result.stopped, result.error, result.failures) == (False, None, [])
    assert result.run.complete
    assert result.run.seconds > 0
    assert torch.equal(result.image, result.run.image)


def test_methods_of_an_observer_may_be_left_out() -> None:
    class Patient(Observer):
        pass

    assert execute(run_of(FEATURE, LinearEncoder(AXES)), [Patient()]).run.done == 6


@pytest.mark.parametrize(
    ("failing", "told"), [("begin", 1), ("step", 2), ("end", 8)], ids=["in begin", "in step", "in end"]
)
def test_an_observer_that_fails_is_left_out(failing: str, told: int, caplog: pytest.LogCaptureFixture) -> None:
    before, broken, after = Notes(), Notes(failing), Notes()
    with caplog.at_level(logging.ERROR, "clipig"):
        result = execute(run_of(FEATURE, LinearEncoder(AXES)), [before, broken, after])
    assert len(broken.told) == told
    assert len(before.told) == len(after.told) == 8
    assert [repr(error) for error in result.failures] == ["ValueError('no ink')"]
    assert result.error is None
    assert [record.message for record in caplog.records] == ["Notes failed and is left out: ValueError: no ink"]
    assert torch.equal(result.image, execute(run_of(FEATURE, LinearEncoder(AXES))).image)


def test_failures_that_have_a_message_for_people_are_left_to_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    result = execute(run_of(FEATURE, LinearEncoder(AXES)), [Notes("step", RunError("the disk is full"))])
    assert [str(error) for error in result.failures] == ["the disk is full"]
    assert not caplog.records


def test_a_wish_to_stop_is_granted_after_the_epoch() -> None:
    notes = Notes()
    run = run_of(FEATURE, LinearEncoder(AXES))
    result = execute(run, [notes], lambda: len(notes.told) > 2)
    assert notes.told == ["begin 0/6", "step 0, 1 done", "step 1, 2 done", "end 2"]
    assert result.stopped
    assert not result.run.complete
    rest = execute(run)  # goes on where it stands
    assert rest.run.done == 6
    assert torch.equal(rest.image, execute(run_of(FEATURE, LinearEncoder(AXES))).image)


def test_an_error_in_a_later_epoch_keeps_the_picture() -> None:
    notes = Notes()
    text = FEATURE.replace("weight: 0.5", "weight: 1 / (2 - epoch)")
    result = execute(run_of(text, LinearEncoder(AXES)), [notes])
    assert isinstance(result.error, InputError)
    assert "in epoch 2" in str(result.error)
    assert notes.told == ["begin 0/6", "step 0, 1 done", "step 1, 2 done", "end 2"]
    assert not result.stopped
    kept = execute(run_of(text, LinearEncoder(AXES)), stop=iter([False, True]).__next__)
    assert torch.equal(result.image, kept.image)


def test_an_error_in_the_first_epoch_leaves_nothing_to_keep() -> None:
    notes = Notes()
    with pytest.raises(InputError, match="in epoch 0"):
        execute(run_of(FEATURE.replace("weight: 0.5", "weight: 1 / epoch"), LinearEncoder(AXES)), [notes])
    assert notes.told == ["begin 0/6"]


def test_an_error_after_the_last_epoch_keeps_the_picture() -> None:
    result = execute(run_of(FEATURE + "finish: [{mul: 1 / (epoch - 5)}]", LinearEncoder(AXES)))
    assert isinstance(result.error, ClipigError)
    assert torch.equal(result.image, result.run.image)


def test_the_statistics_are_a_row_for_each_part() -> None:
    text = FEATURE.replace("]}]", "]}, {name: two, start: 50%, constraints: [{blur: {weight: 2}}]}]")
    result = execute(run_of(text, LinearEncoder(AXES)))
    rows = result.statistics
    assert [(row.index, row.target, row.kind, row.name) for row in rows] == [
        *((0, "one", "feature", "x"), (0, "one", "feature", "y")),
        (1, "two", "constraint", "blur"),
    ]
    assert [row.weight for row in rows] == pytest.approx([1, 0.5, 2])
    assert [row.count for row in rows] == [12, 12, 3]  # two views in six epochs; one in the last three
    assert rows[0].share + rows[1].share == pytest.approx(1)
    assert rows[2].share == pytest.approx(1)
    for row in rows[:2]:
        assert row.similarity
        mean, low, high = row.similarity
        assert low <= mean <= high
        assert low < high
    assert rows[2].similarity is None
    assert result.loss is not None
    assert result.similarity is not None


def test_a_run_without_targets_has_a_result() -> None:
    result = execute(run_of(HEAD))
    assert (result.statistics, result.loss, result.similarity) == ([], 0.0, None)


def test_an_error_where_the_resolution_changes_keeps_the_picture_before() -> None:
    head = HEAD.replace(f"resolution: {SIZE}\n", f"resolution: {SIZE} if epoch < 3 else 12\n")
    result = execute(run_of(head + "learnrate: 1 / (3 - epoch)\ntargets: [{constraints: [blur]}]"))
    assert "division by zero in epoch 3" in str(result.error)
    assert result.image.shape == (1, 3, SIZE, SIZE)
