"""Changes of resolution."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from clipig_core import Ints2, Param, Resized
from clipig_core.kit import resample


def resize(
    images: Tensor,
    size: Annotated[
        Ints2, Param("Width and height in pixels; one number for a square.", min=1, max=16384, length=True)
    ],
) -> Annotated[Tensor, Resized]:
    """Change the resolution, bilinearly.

    Example: 160
    """
    return resample(images, *size, "linear")
