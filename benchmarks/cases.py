"""Configs whose epochs are measured beside the bare model, as somebody who wants pictures would write them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.session import Work
from clipig_core.engine.encoding import ChunkedEncoder
from clipig_core.engine.run import Run


@dataclass(frozen=True)
class Case:
    """A config; an epoch of it should take at most `goal` times as long as a bare pass of the model."""

    name: str
    goal: float
    config: str
    model: str = "ViT-B/32"


CASES = [
    Case(
        "batch 1, 224x224, no transforms",
        1.10,
        """
        resolution: 224
        targets:
          - features:
              - text: a strawberry
        """,
    ),
    Case(
        "batch 5, 512x512, transforms",
        1.15,
        """
        resolution: 512
        targets:
          - batch_size: 5
            features:
              - text: a strawberry
            transforms:
              - random_shift: 0 1
              - random_rotate: -10 10
              - random_scale: .8 1.2
              - center_crop: 224
            constraints:
              - blur: {kernel_size: 5, weight: .2}
        """,
    ),
    Case(
        "3 x batch 20, 672x672, select best",
        1.15,
        """
        resolution: 672
        targets:
          - name: whole
            batch_size: 20
            select: best
            features:
              - text: a castle on a hill
              - text: an oil painting of a castle
            transforms:
              - random_shift: -.05 .05
              - resize: 224
              - noise: .1
            constraints:
              - mean: {above: .3, below: .7}
          - name: parts
            batch_size: 20
            select: best
            features:
              - text: the tower of a castle
              - text: a gate in a wall
              - text: trees in front of a wall
            transforms:
              - random_scale: .8 1.2
              - random_shift: -.3 .3
              - center_crop: 448
            constraints:
              - saturation: {above: .1}
          - name: details
            batch_size: 20
            select: best
            features:
              - text: old bricks
              - text: a window
              - text: ivy
            transforms:
              - random_shift: 0 1
              - random_rotate: -10 10
              - random_crop: 224
              - noise: .1
            constraints:
              - blur: {kernel_size: 5, weight: .2}
        """,
    ),
    Case(
        "batch 64, 2048x2048, random_crop 224",
        1.15,
        """
        resolution: 2048
        targets:
          - batch_size: 64
            features:
              - text: a strawberry
            transforms:
              - random_crop: 224
        """,
    ),
    Case(
        "emoji model, batch 10, 128x128",
        1.5,
        """
        resolution: 128
        targets:
          - batch_size: 10
            features:
              - text: strawberry
            transforms:
              - random_shift: -.08 .08
              - random_scale: .9 1.1
              - noise: .1
            constraints:
              - blur: {kernel_size: 5, weight: 1.5}
        """,
        "emoji",
    ),
]

BATCH_64 = """
    resolution: 224
    targets:
      - batch_size: 64
        features:
          - text: a strawberry
        transforms:
          - random_shift: 0 1
    """

ON_A_GPU = [
    Case("ViT-B/32, batch 64, 224x224", 1.2, BATCH_64),
    Case("ViT-L/14, batch 64, 224x224", 1.2, BATCH_64, "ViT-L/14"),
]


def cases(device: str) -> list[Case]:
    """Those that make sense on a device."""
    return CASES + (ON_A_GPU if device == "cuda" else [])


def count_views(run: Run) -> int:
    """How many views an epoch shows to the encoder."""
    wanted = [target for target in run.targets if target.features]
    return sum(target.plan.section.fixed.batch_size if target.random else 1 for target in wanted)


def encoder_of(run: Run) -> ChunkedEncoder:
    """The only one."""
    (encoder,) = run.encoders.values()
    return encoder


def passes(run: Run, encode: Callable[[Tensor], Tensor], chunk: int | None = None) -> Work:
    """Forward and backward passes of an encoder, for as many images as a run has views, in the same chunks."""
    encoder, count = encoder_of(run), count_views(run)
    size = encoder.encoder.image_size
    images = torch.rand(count, 3, size, size, device=run.device)

    def work() -> None:
        for some in images.split(chunk or encoder.chunk or count):
            encode(some.detach().requires_grad_()).sum().backward()

    return work
