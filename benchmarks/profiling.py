"""Where the time of an epoch goes."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

import clipig_core.engine.encoding
import clipig_core.engine.targets
from benchmarks.cases import Case, cases
from benchmarks.session import Session
from benchmarks.tables import Rows, Table
from clipig_core.engine.run import Run

MARK = "clipig: "
REST = "the rest"
SMALLEST = 0.5
"""Percent; what is less in all cases is left out."""

BACKWARD = 1
"""Of torch's RecordScope."""

ENGINE = "autograd::engine::evaluate_function"
"""What a step of a backward pass is called, around everything that it does."""


def measure(session: Session) -> Iterator[Table]:
    """The shares of an epoch on a CPU; a GPU has its own clock."""
    if session.device != "cpu":
        return
    columns = {case.name.split(",")[0]: shares(session, case) for case in cases(session.device)}
    most = {part: max(found.get(part, 0) for found in columns.values()) for found in columns.values() for part in found}
    rows: Rows = {
        part: {f"{case} %": found.get(part) for case, found in columns.items()}
        for part in sorted(most, key=lambda part: most[part], reverse=True)
        if most[part] >= SMALLEST
    }
    yield Table(
        "profile",
        "The share of the time of an epoch, in percent, by `torch.profiler`: forward passes with the backward passes "
        "that belong to them; what is never above half a percent is left out. Transforms that only move pixels are "
        "computed when the first other one, or the encoder, reads the pixels: this is `reading moved pixels`. The "
        "profiler itself takes time, most where operations are small.",
        rows,
    )


def shares(session: Session, case: Case) -> dict[str, float]:
    """Percent of the time by part."""
    run = session.run(case.config, case.model)
    with ExitStack() as stack:
        for owner, name, label in marks(run):
            stack.enter_context(patch.object(owner, name, marked(getattr(owner, name), label)))
        steps = iter(run)
        next(steps)
        next(steps)
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            for _ in range(1 if session.quick else 3):
                with record_function(MARK + REST):
                    next(steps)
    found = attribute(profiler.events() or [])
    total = sum(found.values())
    return {part: 100 * spent / total for part, spent in found.items()}


Label = Callable[..., str]


def marks(run: Run) -> Iterator[tuple[Any, str, Label]]:
    """Functions of the engine, and what their time is called, given their arguments."""
    assert run.sight is not None
    yield clipig_core.engine.targets, "call", lambda use, *_: f"transform {use.name}"
    yield clipig_core.engine.targets, "call_constraint", lambda use, *_: f"constraint {use.name}"
    yield clipig_core.engine.targets, "pixels", lambda *_: "reading moved pixels"
    yield clipig_core.engine.encoding, "fit", lambda *_: "resizing to the encoder's input"
    yield run.sight, "_encode", lambda *_: "encoder"
    yield run.optimizer, "step", lambda *_: "optimizer"


def marked(function: Callable[..., Any], label: Label) -> Callable[..., Any]:
    """The same function, visible to the profiler."""

    @functools.wraps(function)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        with record_function(MARK + label(*args)):
            return function(*args, **kwargs)

    return recorded


def attribute(events: list[FunctionEvent]) -> dict[str, float]:
    """Microseconds by mark. What a backward pass took belongs to the mark of its forward pass."""
    forward = {}
    for event in sorted(events, key=lambda event: event.time_range.start):
        # The last operation with a number is the one that belongs to the backward pass of this number.
        if event.sequence_nr >= 0 and event.scope != BACKWARD and not event.name.startswith(ENGINE):
            forward[event.sequence_nr] = mark_of(event, {})
    found: defaultdict[str, float] = defaultdict(float)
    for event in events:
        mark = mark_of(event, forward)
        if mark:
            found[mark] += event.self_cpu_time_total
    return dict(found)


def mark_of(event: FunctionEvent | None, forward: dict[int, str | None]) -> str | None:
    """The innermost mark around an event, or that of the forward pass which belongs to it."""
    while event is not None:
        if event.name.startswith(MARK):
            return event.name.removeprefix(MARK)
        if event.name.startswith(ENGINE) and event.sequence_nr in forward:
            return forward[event.sequence_nr]
        event = event.cpu_parent
    return None
