"""Filters of one row of pixels, mirrored at its ends, as matrices."""

from __future__ import annotations

import torch
from torch import Tensor

from clipig_core.kit import Banded


def windowed(size: int, weights: Tensor) -> Banded:
    """[size, size]: each pixel of the result is the weighted sum of a window; half of it must be below the size."""
    source = (torch.arange(size)[:, None] + torch.arange(len(weights)) - len(weights) // 2).abs()
    source = torch.where(source >= size, 2 * (size - 1) - source, source)
    return Banded(torch.zeros(size, size, dtype=weights.dtype).scatter_add_(1, source, weights.expand(size, -1)))


def fitting(window: int, size: int) -> int:
    """The next odd window that is not too large for a side of an image."""
    return min(window // 2 * 2 + 1, 2 * size - 1)
