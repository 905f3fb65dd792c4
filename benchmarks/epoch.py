"""An epoch beside the bare encoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch

from benchmarks.cases import Case, bare, cases, count_views
from benchmarks.session import Session, Work
from benchmarks.tables import Table
from clipig_core.clip_encoder import MEAN, STD, ClipEncoder, rebuild
from clipig_core.run import Run


def measure(session: Session) -> Iterator[Table]:
    """Seconds of an epoch, and of what it is measured against."""
    yield Table(
        "epoch",
        "`bare s` is the forward and backward pass of the same encoder, nothing else, on as many images of its input "
        "size, at the same precision, in the same process, in turns with the epochs; `ratio` is epoch / bare. "
        "`plain s` is the same pass of `clip`'s own model in float32 with weights that are not frozen, in one piece: "
        "a script that uses it as it comes cannot be faster; `gain` is plain / epoch.",
        {case.name: dict(figures(session, case)) for case in cases(session.device)},
    )


def figures(session: Session, case: Case) -> dict[str, float]:
    """One row."""
    run = session.run(case.config, case.model)
    steps = iter(run)
    next(steps)  # chooses the chunk
    found = session.medians({"epoch": lambda: next(steps), "bare": bare(run)}, seconds=10)
    exact = iter(session.run(case.config, case.model, precision="float32"))
    other = session.medians({"float32": lambda: next(exact), "plain": plain(run)}, seconds=4, least=1)
    return {
        "views": count_views(run),
        "epoch s": found["epoch"],
        "bare s": found["bare"],
        "ratio": found["epoch"] / found["bare"],
        "goal": case.goal,
        "float32 s": other["float32"],
        "plain s": other["plain"],
        "gain": other["plain"] / found["epoch"],
    }


def plain(run: Run) -> Work:
    """A pass of the model as the `clip` package builds it."""
    encoder = cast(ClipEncoder, run.encoder)
    model = rebuild(encoder.model.state_dict(), "benchmark").to(run.device).requires_grad_()
    images = torch.rand(count_views(run), 3, encoder.image_size, encoder.image_size, device=run.device)
    mean, std = (torch.tensor(color, device=run.device)[:, None, None] for color in (MEAN, STD))

    def work() -> None:
        pixels = images.detach().requires_grad_()
        model.encode_image((pixels - mean) / std).sum().backward()

    return work
