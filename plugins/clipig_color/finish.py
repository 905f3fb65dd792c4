"""Corrections of a finished picture: its white, its contrast, its casts."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from clipig_core import Param
from clipig_core.kit import numbers

LUMINANCE = (0.299, 0.587, 0.114)
"""How bright red, green and blue are to the eye (ITU-R BT.601)."""


def white_balance(
    images: Tensor,
    strength: Annotated[float, Param("0 leaves the colours as they are, 1 makes their mean gray.", min=0, max=1)] = 0.3,
) -> Tensor:
    """Multiply each channel so that its mean comes nearer to that of all: `image * (mean / channel mean) ** strength`.

    Example: .3
    """
    means = images.mean((2, 3), keepdim=True).clamp(min=1e-3)
    return images * (means.mean(1, keepdim=True) / means) ** strength


def stretch(
    images: Tensor,
    strength: Annotated[float, Param("0 leaves the contrast, 1 makes it full.", min=0, max=1)] = 0.6,
    most: Annotated[float, Param("Largest factor of the contrast.", min=1)] = 1.6,
    ends: Annotated[
        float, Param("Part of the pixels that may be darker than black, and brighter than white.", min=0, max=0.49)
    ] = 0.005,
) -> Tensor:
    """Spread the luminance of each image towards .02 to .98, where it is narrower, and its middle halfway towards .5.

    All channels get the same: `(image - middle) * (1 + strength * (f - 1)) + middle + strength * (.5 - middle) / 2`
    with `f = .96 / (high - low)` between 1 and `most`.

    Example: .6
    """
    low, high = _quantiles((images * numbers(LUMINANCE, images)[:, None, None]).sum(1).flatten(1), ends)
    middle = (low + high) / 2
    factor = 1 + strength * ((0.96 / (high - low).clamp(min=1e-6)).clamp(1, most) - 1)
    return (images - middle) * factor + middle + strength * (0.5 - middle) / 2


def less_purple(
    images: Tensor,
    amount: Annotated[float, Param("Part of it that is taken away.", min=0, max=1)] = 0.55,
    tolerance: Annotated[float, Param("How far red and blue may both be above green.", min=0)] = 0.02,
) -> Tensor:
    """Take away purple, of which photographs have hardly any.

    Purple is how far `min(red, blue) - green` is above a tolerance. Green gets .65 of it, red and blue lose .35.

    Example: {amount: .8, tolerance: 0}
    """
    red, green, blue = images.split(1, 1)
    purple = amount * (torch.minimum(red, blue) - green - tolerance).clamp(min=0)
    change: Tensor = purple * numbers((-0.35, 0.65, -0.35), images)[:, None, None]
    return images + change


def less_tint(
    images: Tensor,
    amount: Annotated[
        float, Param("Difference from gray of which half is taken away; fainter colours lose more.", min=0, max=1)
    ] = 0.15,
) -> Tensor:
    """Make faint colours gray, and leave strong ones: what is gray gets no cast.

    The difference from the gray of the same mean, of length d over the three channels, is multiplied by `(1 + 4 *
    amount) * d / (d + amount)`. A length of .25 stays, and longer ones grow a little.

    Example: .3
    """
    gray = images.mean(1, keepdim=True)
    color = images - gray
    length = (color.square().sum(1, keepdim=True) + 1e-6).sqrt()
    return gray + color * ((1 + 4 * amount) * length / (length + amount))


def _quantiles(values: Tensor, part: float) -> tuple[Tensor, Tensor]:
    """[B, N] -> two [B, 1, 1, 1]: values that this part is below, and above; linear between neighbours."""
    ordered = values.sort(1).values  # torch.quantile refuses more than 16 million values
    place = part * (values.shape[1] - 1)
    before = int(place)
    after, fraction = min(before + 1, values.shape[1] - 1), place - before
    low = torch.lerp(ordered[:, before], ordered[:, after], fraction)
    high = torch.lerp(ordered[:, -1 - before], ordered[:, -1 - after], fraction)
    return low[:, None, None, None], high[:, None, None, None]
