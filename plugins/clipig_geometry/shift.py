"""Shifts that wrap around the edges."""

from __future__ import annotations

from typing import Annotated

import torch

from clipig_core import Floats2, Floats4, Param
from clipig_core.kit import Views, lazy
from clipig_geometry.sampling import Rolled, uniform

ShiftRange = Annotated[
    Floats2 | Floats4,
    Param(
        "Minimum and maximum shift, for both axes or for x, then y; -1 to 1 is a fraction of the size, else pixels.",
        min=-1e9,
        max=1e9,
    ),
]


@lazy
def shift(
    images: Views,
    offset: Annotated[
        Floats2, Param("Shift for x and y; between -1 and 1 as a fraction of the size, else pixels.", min=-1e9, max=1e9)
    ],
) -> Views:
    """Move to the right and down; what leaves on one side comes back on the other.

    The offset is truncated to whole pixels.

    Example: .5 0
    """
    height, width = images.shape[-2:]
    x, y = (int(by * size if abs(by) < 1 else by) for by, size in zip(offset, (width, height), strict=True))
    return Rolled(images, x, y)


@lazy
def random_shift(images: Views, offset: ShiftRange, *, rng: torch.Generator) -> Views:
    """Move each image by a random offset, to the right and down; what leaves on one side comes back on the other.

    `0 1` moves it to every possible position. The offset is truncated to whole pixels.

    Example: -.3 .3
    """
    height, width = images.shape[-2:]
    low_x, high_x, low_y, high_y = offset if len(offset) == 4 else (*offset, *offset)
    x = uniform(images, _pixels(low_x, width), _pixels(high_x, width), rng)
    y = uniform(images, _pixels(low_y, height), _pixels(high_y, height), rng)
    return Rolled(images, x.trunc().long(), y.trunc().long())


def _pixels(bound: float, size: int) -> float:
    return bound * size if -1 <= bound <= 1 else bound
