"""A calm border."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from clipig_core import Param
from clipig_core.kit import Banded, banded, product
from clipig_filters.window import fitting, windowed


def keep_rim_smooth(
    images: Tensor,
    size: Annotated[
        int,
        Param(
            "Side in pixels of the square window; an even number is raised to the next odd one.",
            min=1,
            max=32767,
            length=True,
        ),
    ] = 13,
) -> Tensor:
    """Smooth the image towards its border, so that objects are in the middle and stand alone.

    It is `100 * mean(m * (image - box)^2)`. box is the mean of a square window; m grows from 0 to 1 where the distance
    from the centre, in half sides, goes from .7 to 1.05. A window larger than the image is made smaller.

    Example: {size: 9}
    """
    changed = (images - _box(images, size)).square()
    return 100 * (_outer(images) * changed).mean((1, 2, 3))


def _box(images: Tensor, size: int) -> Tensor:
    """The mean of a window around each pixel; the edges are mirrored."""
    height, width = images.shape[-2:]
    down, across = fitting(size, height), fitting(size, width)
    if banded(images):
        return product(images, _matrix(height, down, images.dtype), _matrix(width, across, images.dtype))
    padded = F.pad(images, (across // 2, across // 2, down // 2, down // 2), mode="reflect")
    return F.avg_pool2d(padded, (down, across), 1)


@lru_cache(maxsize=32)
def _matrix(size: int, window: int, dtype: torch.dtype) -> Banded:
    return windowed(size, torch.full((window,), 1 / window, dtype=dtype))


def _outer(images: Tensor) -> Tensor:
    """[H, W]: how far pixels belong to the rim, 0 to 1; the middles of the outermost are the ends of a side."""
    y, x = (
        torch.linspace(-1, 1, side, dtype=images.dtype, device=images.device) if side > 1 else images.new_zeros(1)
        for side in images.shape[-2:]
    )
    return ((torch.hypot(y[:, None], x) - 0.7) / 0.35).clamp(0, 1)
