"""An epoch beside bare passes of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from benchmarks.cases import Case, cases, count_views, encoder_of, passes
from benchmarks.session import Session
from benchmarks.tables import Table
from clipig_clip.emoji import load
from clipig_clip.encoder import CLIP, MEAN, STD, load_checkpoint


def measure(session: Session) -> Iterator[Table]:
    """Seconds of an epoch, and of what it is measured against."""
    yield Table(
        "epoch",
        "`bare s` is the forward and backward pass of `clip`'s own model, with frozen weights, at the same precision, "
        "on as many images of its input size, in the same chunks, in turns with the epochs; `ratio` is epoch / bare. "
        "`own s` is the same pass of clipig's version of the model, and `over own` epoch / own: what transforms, "
        "losses, constraints and the optimizer add. "
        "`plain s` is a pass of `clip`'s model in float32 with weights that are not frozen, in one piece: "
        "a script that uses it as it comes cannot be faster; `gain` is plain / epoch.",
        {case.name: dict(figures(session, case)) for case in cases(session.device)},
    )


def figures(session: Session, case: Case) -> dict[str, float]:
    """One row."""
    run = session.run(case.config, case.model)
    run.step()  # chooses the chunk
    works = {
        "epoch": run.step,
        "bare": passes(run, clip_pass(session, case.model, run.dtype)),
        "own": passes(run, encoder_of(run).encoder.encode_image),
    }
    found = session.medians(works, seconds=12)
    exact = session.run(case.config, case.model, precision="float32")
    plain = passes(run, clip_pass(session, case.model), chunk=count_views(run))
    other = session.medians({"float32": exact.step, "plain": plain}, seconds=4, least=1)
    return {
        "views": count_views(run),
        "epoch s": found["epoch"],
        "bare s": found["bare"],
        "ratio": found["epoch"] / found["bare"],
        "goal": case.goal,
        "own s": found["own"],
        "over own": found["epoch"] / found["own"],
        "float32 s": other["float32"],
        "plain s": other["plain"],
        "gain": other["plain"] / found["epoch"],
    }


def clip_pass(session: Session, name: str, dtype: torch.dtype | None = None) -> Callable[[Tensor], Tensor]:
    """`encode_image` of the model that the `clip` package builds; in `dtype`, its weights are frozen."""
    model = (load()[0] if name == "emoji" else load_checkpoint(session.model(name))[0]).to(session.device)
    if dtype is not None:
        model.requires_grad_(False)
        convert(model, dtype)
    else:
        model.requires_grad_()
    mean, std = (torch.tensor(color, device=session.device)[:, None, None] for color in (MEAN, STD))
    return lambda images: model.encode_image((images - mean) / std)


def convert(model: CLIP, dtype: torch.dtype) -> None:
    """What `clip.model.convert_weights` does for float16."""
    for layer in model.visual.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear | nn.MultiheadAttention):
            layer.to(dtype)
    if hasattr(model.visual, "proj"):
        model.visual.proj.data = model.visual.proj.data.to(dtype)
