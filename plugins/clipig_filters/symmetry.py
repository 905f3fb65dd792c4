"""Likeness of an image and its reflection."""

from __future__ import annotations

from typing import Annotated, Literal

from torch import Tensor

from clipig_core import Param
from clipig_filters.window import Window, box

Axis = Annotated[
    Literal["vertical", "horizontal"],
    Param("The line at which the image is reflected: vertical exchanges left and right, horizontal top and bottom."),
]


def keep_symmetric(
    images: Tensor,
    axis: Axis = "vertical",
    size: Window = 5,
) -> Tensor:
    """Make one half of the image like the reflection of the other: one whole thing, in the middle.

    It is `1000 * mean((light - reflected light)^2)`. light is the mean of red, green and blue, blurred by the mean of a
    square window, so that only broad shapes have to agree; colours and fine details are free. A window larger than the
    image is made smaller. In a target without transforms it sees the picture, elsewhere its views.

    Example: {weight: ".5 * (1 - t)"}
    """
    light = box(images.mean(1, keepdim=True), size)
    reflected = light.flip(-1 if axis == "vertical" else -2)
    return 1000 * (light - reflected).square().mean((1, 2, 3))
