"""A border of one colour, as a transform and as a constraint."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from clipig_core import Color as AnyColor
from clipig_core import Ints2, Param
from clipig_core.kit import Loss, difference, numbers

Size = Annotated[
    Ints2, Param("Pixels at left and right, and at top and bottom; one number for all.", min=0, max=16384, length=True)
]
Color = Annotated[AnyColor, Param("Red, green and blue in [0, 1]; one number for gray.")]


def border(images: Tensor, size: Size = (1, 1), color: Color = (0, 0, 0)) -> Tensor:
    """Draw a border over the outermost pixels; the resolution stays.

    Example: {size: 12, color: 1 .8 .2}
    """
    height, width = images.shape[-2:]
    columns, rows = torch.arange(width, device=images.device), torch.arange(height, device=images.device)[:, None]
    inside = (columns >= size[0]) & (columns < width - size[0]) & (rows >= size[1]) & (rows < height - size[1])
    return torch.where(inside, images, numbers(color, images)[:, None, None])


def keep_border(images: Tensor, size: Size = (1, 1), color: Color = (0, 0, 0), loss: Loss = "l2") -> Tensor:
    """Pull the outermost pixels towards a colour.

    Example: {size: 12, color: 1 .8 .2}
    """
    return 100 * difference(images, border(images, size, color), loss)
