"""A smoothing that keeps edges."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from clipig_core import Param
from clipig_core.kit import numbers
from clipig_filters.unsharp import LUMINANCE
from clipig_filters.window import Window, box


def smooth(
    images: Tensor,
    edge: Annotated[
        float, Param("Contrast that is kept by half, as standard deviation within a window; less goes.", above=0)
    ] = 0.025,
    size: Window = 5,
) -> Tensor:
    """Remove faint texture and ripples, and keep edges: a guided filter (He, Sun and Tang 2010).

    In each window, every channel is fitted by a line over the luminance, with the slope `covariance / (variance +
    edge^2)`. A pixel gets the mean of what the lines of all windows around it say. A window larger than the image is
    made smaller.

    Example: {edge: .1, size: 9}
    """
    guide = (images * numbers(LUMINANCE, images)[:, None, None]).sum(1, keepdim=True)
    middle, mean = box(guide, size), box(images, size)
    variance = box(guide * guide, size) - middle * middle
    slope = (box(images * guide, size) - mean * middle) / (variance.clamp(min=0) + edge**2)
    return box(slope, size) * guide + box(mean - slope * middle, size)
