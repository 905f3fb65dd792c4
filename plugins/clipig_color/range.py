"""The range of values, as a soft limit."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from clipig_core import Param


def keep_in_range(
    images: Tensor,
    low: Annotated[float, Param("Lowest value that costs nothing.")] = 0.06,
    high: Annotated[float, Param("Highest value that costs nothing.")] = 0.94,
) -> Tensor:
    """Pull values back into a range: 100 times the mean square of how far they are out of it.

    Raises ValueError if its ends are in the wrong order.

    Example: {low: .1, high: .8}
    """
    if low > high:
        raise ValueError(f"the lowest value, {low:g}, is above the highest, {high:g}")
    return 100 * (images - images.clamp(low, high)).square().mean((1, 2, 3))
