"""How much neighbouring pixels differ."""

from __future__ import annotations

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from clipig_core import Param
from clipig_core.kit import numbers

_LIGHT = (1 / 3, 1 / 3, 1 / 3)
_RED_BLUE = (1 / 2, 0, -1 / 2)
_PURPLE_GREEN = (1 / 4, -1 / 2, 1 / 4)


def limit_variation(
    images: Tensor,
    color: Annotated[float, Param("How much more differences of colour count than those of brightness.", min=0)] = 3.0,
    eps: Annotated[float, Param("Differences below this are squared rather than absolute.", above=0)] = 0.02,
) -> Tensor:
    """Remove grain and ripples, and keep edges: the total variation, smoothed around zero.

    It is `45 * side / 160 * mean(sqrt(dx^2 + dy^2 + eps^2))`. dx and dy are the differences to the right and to the
    lower neighbour, their squares summed over brightness, (R + G + B) / 3, red against blue, (R - B) / 2, and purple
    against green, (R + B) / 4 - G / 2, each times 1.5 and the latter two also times `color`. The side, sqrt(width *
    height) in pixels, makes up for the smaller differences of larger images, so that a weight means the same for all.

    Example: {weight: .5}
    """
    opponent = torch.einsum("oc,bchw->bohw", _opponent(images, color), images)
    right = F.pad(opponent[..., 1:] - opponent[..., :-1], (0, 1))
    below = F.pad(opponent[..., 1:, :] - opponent[..., :-1, :], (0, 0, 0, 1))
    lengths = ((right.square() + below.square()).sum(1) + eps**2).sqrt()
    return 45 * math.sqrt(images.shape[2] * images.shape[3]) / 160 * lengths.mean((1, 2))


def _opponent(images: Tensor, color: float) -> Tensor:
    """[3, 3]: from red, green and blue to brightness and two differences of colour."""
    rows = [numbers(row, images) for row in (_LIGHT, _RED_BLUE, _PURPLE_GREEN)]
    return torch.stack(rows) * (1.5 * numbers((1, color, color), images))[:, None]
