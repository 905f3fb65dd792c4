"""Where the time of an epoch goes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from torch import Tensor
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.cases import Case, cases, encoder_of
from benchmarks.session import Session
from benchmarks.tables import Rows, Table
from clipig_core.engine.encoder import Encoder, prepare
from clipig_core.engine.run import Run
from clipig_core.extension.registry import Component

MARK = "clipig: "
REST = "the rest"
SMALLEST = 0.5
"""Percent; what is less in all cases is left out."""

CALLING = Component.calling
"""All that the engine asks of a component happens inside of it."""

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
        "that belong to them; what is never above half a percent is left out. The profiler itself takes time, most "
        "where operations are small.",
        rows,
    )


def shares(session: Session, case: Case) -> dict[str, float]:
    """Percent of the time by part."""
    plain = session.run(case.config, case.model)
    run = Run(plain.plan, encoder=Resizing(encoder_of(plain).encoder.encoder))
    with patch.object(Component, "calling", marked):
        run.step()
        run.step()
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            for _ in range(1 if session.quick else 3):
                with record_function(MARK + REST):
                    run.step()
    found = attribute(profiler.events() or [])
    total = sum(found.values())
    return {part: 100 * spent / total for part, spent in found.items()}


@contextmanager
def marked(component: Component, *args: Any) -> Iterator[None]:
    """`Component.calling`, visible to the profiler. All models are one row, so that columns can be compared."""
    name = "model" if component.kind == "model" else f"{component.kind} {component.name}"
    with record_function(MARK + name), CALLING(component, *args):
        yield


class Resizing:
    """An encoder whose `prepare` the profiler tells from the model."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder, self.image_size = encoder, encoder.image_size

    def encode_image(self, images: Tensor) -> Tensor:
        return self.encoder.encode_image(images)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        return self.encoder.encode_text(texts)

    def prepare(self, images: Tensor) -> Tensor:
        with record_function(MARK + "resizing to the model's input"):
            return prepare(self.encoder, images)


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
