"""How far bright and dark are apart."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor
from torchvision.transforms.v2.functional import adjust_contrast

from clipig_core import Param
from clipig_core.kit import Above, Below, Loss, beyond


def contrast(
    images: Tensor,
    factor: Annotated[float, Param("0 is plain gray, 1 the image as it is, 2 doubles its contrast.", min=0)] = 1.0,
) -> Tensor:
    """Move each value away from the mean gray of the image, or towards it. The result is clamped to [0, 1].

    Example: .4
    """
    adjusted: Tensor = adjust_contrast(images, factor)
    return adjusted


def limit_contrast(images: Tensor, above: Above = None, below: Below = None, loss: Loss = "l2") -> Tensor:
    """Push the contrast of each channel above or below a threshold.

    It is the mean of the pixels that are brighter than the channel's mean, minus the mean of those that are darker.

    Example: {below: .2}
    """
    # As distances from the mean, so that a plain channel, which has neither, has the contrast 0.
    distances = images - images.mean((2, 3), keepdim=True)
    return beyond(_mean_positive(distances) + _mean_positive(-distances), above, below, loss)


def _mean_positive(values: Tensor) -> Tensor:
    """[B, 3, H, W] -> [B, 3]: the mean of those values that are positive; 0 if none is."""
    return values.relu().sum((2, 3)) / (values > 0).sum((2, 3)).clamp(min=1)
