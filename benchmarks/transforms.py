"""What each transform costs beside the encoder."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.cases import encoder_of, passes
from benchmarks.session import Session, Work
from benchmarks.tables import Rows, Table
from clipig_core.engine.context import EpochContext, Placed, call_transform
from clipig_core.engine.encoder import fit
from clipig_core.engine.randomness import Key
from clipig_core.imaging.views import Images, Pixels, pixels
from clipig_core.language.schedule import Now

ARGUMENTS = {
    "add": ".1 0 -.1",
    "blur": "5",
    "border": "{size: 4, color: 0 0 0}",
    "bwnoise": ".1",
    "center_crop": "224",
    "clamp": "0 1",
    "contrast": "1.2",
    "crop": "0 0 224 224",
    "cutouts": "{size: 224}",
    "edge": "{kernel_size: 3}",
    "fnoise": ".1",
    "jitter": ".2",
    "less_purple": ".5",
    "less_tint": ".15",
    "mean": ".5",
    "mul": "1 .9 .8",
    "noise": ".1",
    "pad": "{size: 16, mode: wrap}",
    "periodic": "1",
    "quantize": "1/8",
    "random_crop": "224",
    "random_flip": ".5",
    "random_look": "{size: 224}",
    "random_noise": "0 .15",
    "random_rotate": "-10 10",
    "random_scale": ".8 1.2",
    "random_shift": "-.1 .1",
    "random_translate": ".1 .1",
    "repeat": "2",
    "resize": "224",
    "rnoise": "{std: .1, resolution: 32}",
    "rotate": "10",
    "saturation": "1.2",
    "shift": ".1 .1",
    "smooth": ".025",
    "stretch": ".6",
    "unsharp": ".9",
    "white_balance": ".3",
}
"""Of each built-in transform."""

SIDES = {224: 5, 512: 5, 2048: 2}
"""Sides of the picture, and how many views."""


def measure(session: Session) -> Iterator[Table]:
    """The cost of each transform."""
    context = EpochContext(Now(0, 1), {}, Key(0), torch.Generator(session.device))
    passed = pass_seconds(session)
    names = list(ARGUMENTS)[:4] if session.quick else list(ARGUMENTS)
    rows: Rows = {name: {} for name in [*names, "(resizing to 224x224)"]}
    for side in session.some([*SIDES]):
        picture = torch.rand(1, 3, side, side, device=session.device, requires_grad=True)
        for name in rows:
            work = (
                resizing(picture, SIDES[side])
                if name not in ARGUMENTS
                else transforming(session, name, picture, SIDES[side], context)
            )
            seconds = session.medians({"work": work}, seconds=0.3, least=3)["work"]
            rows[name][f"{side}x{side}"] = seconds / SIDES[side] / passed
    about = (
        "Forward and backward pass of a transform for one view of a picture of this size, all of its pixels being "
        "looked at, as a share of a pass of ViT-B/32 for one view, "
        f"which takes {passed:.3f} s here (batch of 5). Resizing is what the largest views go through anyway."
    )
    yield Table("transforms", about, rows)


def pass_seconds(session: Session) -> float:
    """A pass of the encoder for one of five views."""
    shifted = "{batch_size: 5, features: [{text: a strawberry}], transforms: [{random_shift: 0 1}]}"
    run = session.run(f"{{resolution: 224, targets: [{shifted}]}}")
    return session.medians({"pass": passes(run, encoder_of(run).encoder.encode_image)}, seconds=3)["pass"] / 5


def transforming(session: Session, name: str, picture: Tensor, views: int, context: EpochContext) -> Work:
    """What happens to a picture of which a target with this transform makes its views."""
    transform = f"{{{name}: {ARGUMENTS[name]}}}"
    config = session.config(f"targets: [{{transforms: [{transform}], constraints: [{{blur: 3}}]}}]")
    (part,) = Placed.all(config.targets[0].transforms, "transforms")

    def work() -> None:
        back(call_transform(part, Pixels(picture, views), context), picture)

    return work


def resizing(picture: Tensor, views: int) -> Work:
    """What happens to views of which none is of the size that the encoder reads."""
    return lambda: back(fit(Pixels(picture, views).pixels(), 224), picture)


def back(views: Images, picture: Tensor) -> None:
    """The backward pass, from all pixels of the views to the picture."""
    made = pixels(views)
    if made.requires_grad:
        torch.autograd.grad(made, picture, torch.ones_like(made))
