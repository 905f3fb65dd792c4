"""The same arithmetic on all pixels."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from clipig_core import Floats2, Floats3, Param
from clipig_core.kit import numbers


def add(
    images: Tensor, color: Annotated[Floats3, Param("Summand for red, green and blue; one number for all.")]
) -> Tensor:
    """Add a fixed value to all pixels.

    Example: .3 0 0
    """
    return images + numbers(color, images)[:, None, None]


def mul(
    images: Tensor, color: Annotated[Floats3, Param("Factor for red, green and blue; one number for all.")]
) -> Tensor:
    """Multiply all pixels by a fixed value.

    Example: 1 .7 .4
    """
    return images * numbers(color, images)[:, None, None]


def clamp(images: Tensor, range: Annotated[Floats2, Param("Lowest and highest value of all channels.")]) -> Tensor:
    """Cut off values outside a range. Raises ValueError if its ends are in the wrong order.

    Example: .3 .7
    """
    if range[0] > range[1]:
        raise ValueError(f"the lowest value, {range[0]:g}, is above the highest, {range[1]:g}")
    return images.clamp(*range)


def quantize(
    images: Tensor, step: Annotated[Floats3, Param("Step for red, green and blue; one number for all.", above=0)]
) -> Tensor:
    """Round values down to a multiple of a step. No gradients come through, so it belongs into `postproc`.

    Example: 1/4
    """
    steps = numbers(step, images)[:, None, None]
    return (images / steps).floor() * steps
