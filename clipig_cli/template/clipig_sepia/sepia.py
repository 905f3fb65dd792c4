"""The transform `sepia`."""

from __future__ import annotations

from typing import Annotated

from clipig_core import Param
from torch import Tensor

TONE = (1.3, 1.0, 0.7)  # the mean is 1, so that brown is as bright as the colour it replaces


def sepia(
    images: Tensor,
    amount: Annotated[float, Param("0 leaves the images as they are, 1 makes them brown.", min=0, max=1)] = 1.0,
) -> Tensor:
    """Tint images brown."""
    brown = images.mean(1, keepdim=True) * images.new_tensor(TONE)[:, None, None]
    return images + amount * (brown - images)
