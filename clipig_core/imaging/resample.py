"""Resizing; and filters as products with banded matrices, for a CPU.

On a CPU, torch's own backward passes of resizing and of Gaussian blurs take several times as long as their forward
passes. As matrix products both cost the same, and gradients are added in the same order every time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

MODES = {"cubic": "bicubic", "linear": "bilinear", "nearest": "nearest"}

BLOCK = 64
"""Rows of a matrix that are multiplied together; more would multiply more zeros, fewer would call more often."""

LARGEST = 4096
"""The longest side for which matrices are made, as they are whole in between."""


def resample(images: Tensor, width: int, height: int, interpolation: str = "cubic") -> Tensor:
    """[B, C, H, W] -> [B, C, height, width]; cubic, linear or nearest, antialiased except for nearest.

    Values are not clamped, so cubic may overshoot.
    """
    mode, sides = MODES[interpolation], images.shape[-2:]
    if mode == "nearest":
        return F.interpolate(images, size=(height, width), mode=mode)
    if banded(images):
        down, across = (_resizing(a, b, mode, images.dtype) for a, b in zip(sides, (height, width), strict=True))
        return product(images, down, across)
    return F.interpolate(images, size=(height, width), mode=mode, antialias=True)


def banded(images: Tensor) -> bool:
    """Whether products with banded matrices are a good way to filter these images."""
    return images.device.type == "cpu" and max(images.shape[-2:]) <= LARGEST


class Banded:
    """A matrix [m, n] whose rows are zero except near the diagonal, as blocks of rows; `transposed` is [n, m]."""

    def __init__(self, matrix: Tensor, transposed: Banded | None = None) -> None:
        self.rows = len(matrix)
        self.blocks: list[tuple[slice, slice, Tensor]] = []
        for start in range(0, self.rows, BLOCK):
            block = matrix[start : start + BLOCK]
            used = block.any(0).nonzero()[:, 0].tolist() or [0]
            columns = slice(used[0], used[-1] + 1)
            self.blocks.append((slice(start, start + len(block)), columns, block[:, columns].contiguous()))
        self.transposed = transposed or Banded(matrix.T, self)

    def down(self, images: Tensor) -> Tensor:
        """[B, C, n, W] -> [B, C, m, W]"""
        result = images.new_empty(*images.shape[:2], self.rows, images.shape[3])
        for rows, columns, block in self.blocks:
            result[:, :, rows] = block @ images[:, :, columns]
        return result

    def across(self, images: Tensor) -> Tensor:
        """[B, C, H, n] -> [B, C, H, m]"""
        result = images.new_empty(*images.shape[:3], self.rows)
        for rows, columns, block in self.blocks:
            result[..., rows] = images[..., columns] @ block.T
        return result


def product(images: Tensor, down: Banded, across: Banded) -> Tensor:
    """[B, C, H, W] -> [B, C, h, w]: `down @ image @ across.T`."""
    result: Tensor = _Product.apply(images, down, across)
    return result


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, down: Banded, across: Banded) -> Tensor:
        ctx.down, ctx.across = down, across
        return across.across(down.down(images))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.down.transposed.down(ctx.across.transposed.across(gradient)), None, None


@lru_cache(maxsize=128)
def _resizing(size: int, to: int, mode: str, dtype: torch.dtype) -> Banded:
    """The matrix [to, size] with which torch resizes one side."""
    units = torch.eye(size, dtype=dtype)[None, None]
    return Banded(F.interpolate(units, size=(to, size), mode=mode, antialias=True)[0, 0])
