"""Filters of one row of pixels, mirrored at its ends, as matrices; and the mean of square windows."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from clipig_core import Param
from clipig_core.kit import Banded, banded, product

Window = Annotated[
    int,
    Param(
        "Side in pixels of the square window; an even number is raised to the next odd one.",
        min=1,
        max=32767,
        length=True,
    ),
]


def windowed(size: int, weights: Tensor) -> Banded:
    """[size, size]: each pixel of the result is the weighted sum of a window; half of it must be below the size."""
    source = (torch.arange(size)[:, None] + torch.arange(len(weights)) - len(weights) // 2).abs()
    source = torch.where(source >= size, 2 * (size - 1) - source, source)
    return Banded(torch.zeros(size, size, dtype=weights.dtype).scatter_add_(1, source, weights.expand(size, -1)))


def fitting(window: int, size: int) -> int:
    """The next odd window that is not too large for a side of an image."""
    return min(window // 2 * 2 + 1, 2 * size - 1)


def box(images: Tensor, size: int) -> Tensor:
    """The mean of a square window around each pixel; the edges are mirrored. It is made smaller if it does not fit."""
    height, width = images.shape[-2:]
    down, across = fitting(size, height), fitting(size, width)
    if banded(images):
        return product(images, _mean(height, down, images.dtype), _mean(width, across, images.dtype))
    padded = F.pad(images, (across // 2, across // 2, down // 2, down // 2), mode="reflect")
    return F.avg_pool2d(padded, (down, across), 1)


@lru_cache(maxsize=32)
def _mean(size: int, window: int, dtype: torch.dtype) -> Banded:
    return windowed(size, torch.full((window,), 1 / window, dtype=dtype))
