"""A calm border."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from clipig_core import Param
from clipig_filters.window import Window, box


def keep_rim_smooth(
    images: Tensor,
    size: Window = 13,
    inner: Annotated[float, Param("How far from the centre it begins, in half sides.", min=0)] = 0.7,
) -> Tensor:
    """Smooth the image towards its border, so that objects are in the middle and stand alone.

    It is `100 * mean(m * (image - box)^2)`. box is the mean of a square window; m grows from 0 to 1 where the distance
    from the centre, in half sides, goes from `inner` to .35 more. A window larger than the image is made smaller.

    Where it begins near the centre, with a large window and some weight in the first third of a run, there is room for
    one object and not for a second head.

    Example: {size: 9}
    """
    changed = (images - box(images, size)).square()
    return 100 * (_outer(images, inner) * changed).mean((1, 2, 3))


def _outer(images: Tensor, inner: float) -> Tensor:
    """[H, W]: how far pixels belong to the rim, 0 to 1; the middles of the outermost are the ends of a side."""
    y, x = (
        torch.linspace(-1, 1, side, dtype=images.dtype, device=images.device) if side > 1 else images.new_zeros(1)
        for side in images.shape[-2:]
    )
    return ((torch.hypot(y[:, None], x) - inner) / 0.35).clamp(0, 1)
