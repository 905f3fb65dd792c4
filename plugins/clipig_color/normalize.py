"""The range of values."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from clipig_core import Floats3, Param
from clipig_core.kit import Loss, difference, numbers


def keep_normalized(
    images: Tensor,
    min: Annotated[Floats3, Param("Lowest wanted value of red, green and blue; one number for all.")] = (0, 0, 0),
    max: Annotated[Floats3, Param("Highest wanted value of red, green and blue; one number for all.")] = (1, 1, 1),
    loss: Loss = "l2",
) -> Tensor:
    """Pull the image towards a version of itself whose channels fill a range exactly.

    A plain channel is pulled to `min`. Raises ValueError if a `min` is above its `max`.

    Example: {min: .2, max: .6}
    """
    if any(low > high for low, high in zip(min, max, strict=True)):
        raise ValueError(f"min {min} is above max {max}")
    wanted_low, wanted_high = (numbers(color, images)[:, None, None] for color in (min, max))
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    span = torch.where(high > low, high - low, 1)
    return 10 * difference(images, (images - low) / span * (wanted_high - wanted_low) + wanted_low, loss)
