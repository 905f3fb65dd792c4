"""The mean colour, as one that is wanted."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from clipig_core import Color, Param
from clipig_core.kit import numbers


def keep_color(
    images: Tensor,
    color: Annotated[
        Color,
        Param(
            "Mean of red, green and blue; one number for gray; #ff8800, or a name. The default is that of photographs."
        ),
    ] = (0.485, 0.465, 0.43),
) -> Tensor:
    """Pull the mean of each channel towards a colour: `100 * sum((mean - color)^2)` over the three channels.

    Example: .5 .45 .4
    """
    return 100 * (images.mean((2, 3)) - numbers(color, images)).square().sum(1)
