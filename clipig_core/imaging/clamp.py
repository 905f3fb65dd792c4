"""Values held in [0, 1], without freezing a pixel at a bound."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_between = torch.ops.aten.hardtanh_backward
"""A gradient where numbers are between two others, else 0, in one pass; masks take several times as long on a CPU."""


def clamp_through(images: Tensor) -> Tensor:
    """The images, clamped to [0, 1].

    At a bound and beyond it, a gradient comes through wherever a step against it leads back inside; it is zero only
    where the step would lead further out (a one-sided straight-through estimator, after Bengio et al. 2013); what is
    as near to a bound as the rounding of numbers near 1 counts as at it. The clamp of torch is zero on both sides: a
    pixel that is white once would stay white.
    """
    clamped: Tensor = _ClampThrough.apply(images)
    return clamped


class _ClampThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:
        clamped = images.clamp(0, 1)
        ctx.save_for_backward(clamped)
        return clamped

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (clamped,) = ctx.saved_tensors
        step = gradient.sign()  # a smallest step against it shows whether there is room
        torch.sub(clamped, step, alpha=torch.finfo(clamped.dtype).eps, out=step)
        found: Tensor = _between(gradient, step, 0, 1)
        return found
