"""A calm border."""

from __future__ import annotations

import torch
from torch import Tensor

from clipig_filters.window import Window, box


def keep_rim_smooth(
    images: Tensor,
    size: Window = 13,
) -> Tensor:
    """Smooth the image towards its border, so that objects are in the middle and stand alone.

    It is `100 * mean(m * (image - box)^2)`. box is the mean of a square window; m grows from 0 to 1 where the distance
    from the centre, in half sides, goes from .7 to 1.05. A window larger than the image is made smaller.

    Example: {size: 9}
    """
    changed = (images - box(images, size)).square()
    return 100 * (_outer(images) * changed).mean((1, 2, 3))


def _outer(images: Tensor) -> Tensor:
    """[H, W]: how far pixels belong to the rim, 0 to 1; the middles of the outermost are the ends of a side."""
    y, x = (
        torch.linspace(-1, 1, side, dtype=images.dtype, device=images.device) if side > 1 else images.new_zeros(1)
        for side in images.shape[-2:]
    )
    return ((torch.hypot(y[:, None], x) - 0.7) / 0.35).clamp(0, 1)
