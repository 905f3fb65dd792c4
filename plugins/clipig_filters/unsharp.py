"""An unsharp mask."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from clipig_core import Param
from clipig_core.kit import numbers
from clipig_filters.blur import blur
from clipig_filters.window import fitting

LUMINANCE = (0.299, 0.587, 0.114)
"""How bright red, green and blue are to the eye (ITU-R BT.601)."""


def unsharp(
    images: Tensor,
    amount: Annotated[float, Param("Factor of the details that are added.", min=0)] = 0.9,
    sigma: Annotated[float, Param("Standard deviation in pixels of the blur.", above=0, max=1000, length=True)] = 1.5,
    core: Annotated[
        float, Param("Details as faint as this are left as they are, and others lose as much.", min=0)
    ] = 0.01,
) -> Tensor:
    """Sharpen the luminance and leave the colours: `image + amount * details`, the same for all channels.

    Details are what a Gaussian blur of the luminance takes away, moved by `core` towards zero.

    Example: {amount: 2, sigma: 3}
    """
    luminance = (images * numbers(LUMINANCE, images)[:, None, None]).sum(1, keepdim=True)
    height, width = images.shape[-2:]
    window = 2 * int(3 * sigma + 0.5) + 1
    blurred = blur(luminance, (fitting(window, width), fitting(window, height)), (sigma, sigma))
    details = luminance - blurred
    return images + amount * (details - details.clamp(-core, core))
