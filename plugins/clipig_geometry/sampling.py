"""The two ways in which the transforms of this package move pixels."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def pick(images: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
    """[B, 3, H, W] with columns [B, w] and rows [B, h] of each image, none of them twice -> [B, 3, h, w].

    Views of one picture share its memory (`expand`); then only the pixels that are picked are read, and their
    gradients are added up in the one picture, whatever its size.
    """
    rows, columns = rows[:, :, None], columns[:, None, :]
    if images.stride(0) == 0:
        picked: Tensor = _PickShared.apply(images[0], rows, columns)
        return picked
    batch = torch.arange(len(images), device=images.device)[:, None, None]
    return images[batch, :, rows, columns].permute(0, 3, 1, 2)


class _PickShared(torch.autograd.Function):
    """Views of one picture [3, H, W]; their gradients are added one after the other, so that sums are reproducible."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        ctx.save_for_backward(rows, columns)
        ctx.shape = image.shape
        return image[:, rows, columns].transpose(0, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        total = gradients[0].new_zeros(ctx.shape)
        for gradient, rows, columns in zip(gradients[0], *ctx.saved_tensors, strict=True):
            total[:, rows, columns] += gradient
        return total, None, None


def affine(images: Tensor, matrix: Tensor) -> Tensor:
    """Resample [B, 3, H, W] bilinearly; outside is black.

    `matrix`, [B, 2, 3] or [1, 2, 3] for all, maps the pixels of the result to where they come from, in pixels around
    the image's centre.
    """
    height, width = images.shape[-2:]
    x = torch.arange(width, device=images.device, dtype=images.dtype) + (0.5 - width / 2)
    y = torch.arange(height, device=images.device, dtype=images.dtype) + (0.5 - height / 2)
    y, x = torch.meshgrid(y, x, indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)], 2).view(-1, 3)
    # grid_sample counts from -1 to 1 along each side.
    scaled = matrix / images.new_tensor([width / 2, height / 2])[:, None]
    grid = (pixels @ scaled.transpose(1, 2)).view(-1, height, width, 2).expand(len(images), -1, -1, -1)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def uniform(images: Tensor, low: float, high: float, rng: torch.Generator) -> Tensor:
    """One number for each image [B], uniform in [low, high)."""
    return torch.rand(len(images), generator=rng, device=images.device, dtype=images.dtype) * (high - low) + low
