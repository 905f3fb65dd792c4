"""Images that grow by more of themselves, or by a colour."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from clipig_core import Color, Ints2, Param, Resized
from clipig_core.kit import numbers


def pad(
    images: Tensor,
    size: Annotated[
        Ints2, Param("Columns to add left and right, rows to add at top and bottom.", min=0, max=16384, length=True)
    ],
    color: Annotated[Color, Param("Red, green and blue of what is added; one number for gray.")] = (0, 0, 0),
    mode: Annotated[
        Literal["fill", "edge", "wrap"],
        Param("fill adds the colour, edge repeats the outermost pixels, wrap continues from the opposite edge."),
    ] = "fill",
) -> Annotated[Tensor, Resized]:
    """Add pixels on all sides.

    Example: {size: 32, mode: wrap}
    """
    height, width = images.shape[-2:]
    columns = torch.arange(-size[0], width + size[0], device=images.device)
    rows = torch.arange(-size[1], height + size[1], device=images.device)
    if mode == "wrap":
        return images.index_select(3, columns % width).index_select(2, rows % height)
    padded = images.index_select(3, columns.clamp(0, width - 1)).index_select(2, rows.clamp(0, height - 1))
    if mode == "edge":
        return padded
    outside = ((rows < 0) | (rows >= height))[:, None] | (columns < 0) | (columns >= width)
    return torch.where(outside, numbers(color, images)[:, None, None], padded)


def repeat(
    images: Tensor,
    count: Annotated[Ints2, Param("How often the image stands side by side, and below itself.", min=1, max=1024)],
) -> Annotated[Tensor, Resized]:
    """Tile to the right and to the bottom.

    Example: 2 1
    """
    return images.repeat(1, 1, count[1], count[0])
