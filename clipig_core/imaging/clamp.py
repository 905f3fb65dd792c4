"""Values held in [0, 1], without freezing a pixel at a bound."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_between = torch.ops.aten.hardtanh_backward
"""A gradient where images are between two numbers, else 0, in one pass; masks take several times as long on a CPU."""


def clamp_through(images: Tensor) -> Tensor:
    """The images, clamped to [0, 1].

    At a bound and beyond it, a gradient comes through wherever a step against it leads back inside; it is zero only
    where the step would lead further out (a one-sided straight-through estimator, after Bengio et al. 2013). The
    clamp of torch is zero on both sides: a pixel that is white once would stay white.
    """
    clamped: Tensor = _ClampThrough.apply(images)
    return clamped


class _ClampThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:
        ctx.save_for_backward(images)
        return images.clamp(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (images,) = ctx.saved_tensors
        darker = _between(gradient.clamp(min=0), images, 0, math.inf)
        brighter: Tensor = _between(gradient.clamp(max=0), images, -math.inf, 1)
        return brighter.add_(darker)
