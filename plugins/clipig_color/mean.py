"""The mean colour."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from clipig_core import Floats3, Param
from clipig_core.kit import Above, Below, Loss, beyond, numbers


def mean(
    images: Tensor, mean: Annotated[Floats3, Param("Mean of red, green and blue; one number for gray.")]
) -> Tensor:
    """Shift the values of each channel to a mean.

    Example: .4
    """
    return images + (numbers(mean, images)[:, None, None] - images.mean((2, 3), keepdim=True))


def limit_mean(images: Tensor, above: Above = None, below: Below = None, loss: Loss = "l2") -> Tensor:
    """Push the mean of each channel above or below a threshold.

    Example: {above: .3, below: .4}
    """
    return 100 * beyond(images.mean((2, 3)), above, below, loss)
