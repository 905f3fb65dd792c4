"""How far colours are from gray."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor
from torchvision.transforms.v2.functional import adjust_saturation

from clipig_core import Param
from clipig_core.kit import Above, Below, Loss, beyond


def saturation(
    images: Tensor,
    factor: Annotated[
        float, Param("0 is black and white, 1 the image as it is, 2 doubles its saturation.", min=0)
    ] = 1.0,
) -> Tensor:
    """Move each pixel away from its gray value, or towards it. The result is clamped to [0, 1].

    Example: .2
    """
    adjusted: Tensor = adjust_saturation(images, factor)
    return adjusted


def limit_saturation(images: Tensor, above: Above = None, below: Below = None, loss: Loss = "l2") -> Tensor:
    """Push the saturation above or below a threshold.

    It is, for each channel, the mean absolute difference to the mean of the three channels.

    Example: {below: .1}
    """
    differences = images - images.mean(1, keepdim=True)
    return 100 * beyond(differences.abs().mean((2, 3)), above, below, loss)
